"""Which files of a folder are images, masks and annotations, and which of them are pairs."""

"""`python -m sam2unet` runs the command."""

from .commands import main

main()

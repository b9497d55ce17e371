"""Which masks have the names of which images."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from ...errors import InputError
from . import item_keys as keys
from .items import CHOSEN, Item, Match, Matching
from .names import Place, fold, kind_of_file


def match_items(images: Sequence[Item], masks: Sequence[Item], result: Matching | None = None) -> Matching:
    """Match images and masks by name.

    Each kind of mask is matched for itself, first within each split, then between those in a split and those in none.
    In this order the names are compared as they are, without words such as `_mask`, without regard to case, without
    what the names in a folder have in common, and without folders if the name is unique.

    Args:
        images: the images.
        masks: the masks.
        result: earlier matches, which are added to.
    """
    result = result or Matching()
    kinds = defaultdict(list)
    for mask in masks:
        kinds[mask.kind].append(mask)
    matchers = [_Matcher(images, of_kind, result) for of_kind in kinds.values()]
    for matcher in matchers:
        matcher.run()
    places = {item.place for image, matches in result.matches.items() for item in (image, *(m.mask for m in matches))}
    common = _common_folders([*images, *masks])
    for matcher in matchers:
        matcher.run_loosely(places, common)
    return result


def _common_folders(items: Sequence[Item]) -> int:
    """Return the number of folders that all items lie in, without those for images and masks."""
    paths = [place.bare for place in {item.place for item in items}]
    same = (len(set(parts)) == 1 for parts in zip(*paths, strict=False))
    return next((i for i, is_same in enumerate(same) if not is_same), min(map(len, paths), default=0))


class _Matcher:
    """Matches the masks of one kind; each step takes what the steps before left."""

    def __init__(self, images: Sequence[Item], masks: Sequence[Item], result: Matching):
        self.images, self.masks, self.result = images, masks, result
        self.found = set[Item]()  # images with a mask of this kind
        self.places = set[Place]()  # folders of images and masks that match
        self.named = {fold(image.stem) for image in images if image.place.role == "image"}
        self.role_indices = sorted({mask.place.at for mask in masks if mask.place.role == "mask"})

    def run(self) -> None:
        for images, masks in self._pools():
            if images and masks:
                self._by_words(images, masks, str)
                self._by_words(images, masks, fold)
                self._by_affix(images, masks, keys.reduced)
                self._by_affix(images, masks, keys.bare)
                self._by_own_folder(images, masks)
                for without_part in (keys.without_last, keys.without_first):
                    self._by_part(images, masks, without_part)
                self._by_folder(images, masks)
                self._by_number(images, masks)

    def run_loosely(self, places: set[Place], common: int) -> None:
        """Match the names that are unique in any folder, where neither's folder has a match.

        One of the two may lie deeper, but not elsewhere: b/1.png is not the mask of a/1.jpg.

        Args:
            places: the folders that have matches.
            common: number of folders that all images and masks lie in.
        """
        images = [image for image in self.images if image.place not in places]
        masks = [mask for mask in self.masks if mask.place not in places]
        times = Counter(fold(stem) for mask in masks for stem in {*keys.mask_stems(mask)})
        masks = [mask for mask in masks if all(times[fold(stem)] == 1 for stem in keys.mask_stems(mask))]
        whole, ends = keys.ends(common, whole=True), keys.ends(common)
        for image_folders, mask_folders in ((ends, whole), (whole, ends)):
            for normal in (str, fold):
                self._join(
                    self._without(images), self._open(masks), keys.join(image_folders, keys.image_stems, normal),
                    keys.join(mask_folders, keys.mask_stems, normal), unique=True,
                )  # fmt: skip

    def _pools(self) -> Iterator[tuple[list[Item], list[Item]]]:
        """Yield images and masks of the same split, then those of a split beside those of none."""
        by_split: dict[str, tuple[list[Item], list[Item]]] = defaultdict(lambda: ([], []))
        for kind, items in enumerate((self.images, self.masks)):
            for item in items:
                by_split[item.place.split][kind].append(item)
        yield from by_split.values()
        none = by_split.pop("", ([], []))
        yield self._without(i for images, _ in by_split.values() for i in images), self._open(none[1])
        yield self._without(none[0]), self._open(m for _, masks in by_split.values() for m in masks)

    def _open(self, masks: Iterable[Item]) -> list[Item]:
        return [mask for mask in masks if mask not in self.result.taken]

    def _without(self, images: Iterable[Item]) -> list[Item]:
        return [image for image in images if image not in self.found]

    def _add(self, image: Item, match: Match) -> None:
        self.found.add(image)
        self.places |= {image.place, match.mask.place}
        self.result.taken.add(match.mask)
        self.result.matches[image].append(match)

    def _by_words(self, images: list[Item], masks: list[Item], normal: Callable[[str], str]) -> None:
        """Match equal names, then names without the words for image and mask, then also without a mask's number."""
        beside = [mask for mask in masks if not mask.place.role]
        if beside:
            self._join(
                images,
                self._open(beside),
                keys.join(keys.folder, keys.image_stems, normal),
                keys.join(keys.folder, keys.mask_stems, normal),
            )
        folders: tuple[tuple[keys.Keys, keys.Keys], ...] = (
            (keys.reduced, keys.reduced),
            (self._bare_image, self._bare_mask),
        )
        for image_stems, mask_stems in (
            (keys.stem, keys.stem),
            (keys.image_stems, keys.mask_stems),
            (keys.image_stems, keys.numbered_stem),
        ):
            # `a.png` and `a_mask.png` may both fit one image: it stays open for the second.
            candidates = self._without(images) if mask_stems is keys.stem else images
            for image_folders, mask_folders in folders:
                if not (left := self._open(masks)):
                    return
                new = self._join(
                    candidates, left, keys.join(image_folders, image_stems, normal),
                    keys.join(mask_folders, mask_stems, normal), report=mask_folders is keys.reduced,
                )  # fmt: skip
                self.result.folded += new if normal is fold else []

    def _bare_mask(self, mask: Item) -> list[str]:
        """Return the folders without that for masks, unless others in it have matched."""
        return keys.bare(mask) if self._is_fresh(mask) else []

    def _bare_image(self, image: Item) -> list[str]:
        """Return the folders without that for images, or, if none is, without each that may stand in for it."""
        if not self._is_fresh(image):
            return []
        parts, is_named = image.place.reduced, image.place.role or fold(image.stem) in self.named
        at = () if is_named else self.role_indices
        found = [image.place.kept.index(i) for i in at if i in image.place.kept]
        return [*keys.bare(image), *("/".join(parts[:i] + parts[i + 1 :]) for i in found)]

    def _is_fresh(self, item: Item) -> bool:
        return item.place.bare == item.place.reduced or item.place not in self.places

    def _join(
        self,
        images: Iterable[Item],
        masks: Iterable[Item],
        image_keys: keys.Keys,
        mask_keys: keys.Keys,
        *,
        unique: bool = False,
        report: bool = False,
        part: Callable[[Item], str] = lambda mask: "",
    ) -> list[tuple[Item, Item]]:
        """Match what has a key in common.

        Args:
            images: the images.
            masks: the masks.
            image_keys: returns an image's keys.
            mask_keys: returns a mask's keys.
            unique: leave out keys of several masks.
            report: a mask that fits several images is a conflict; else it is left.
            part: returns a mask's part.

        Returns:
            The new pairs.
        """
        by_key: dict[str, dict[Item, None]] = defaultdict(dict)
        for image in images:
            for key in image_keys(image):
                by_key[key][image] = None
        keys_of = {mask: dict.fromkeys(mask_keys(mask)) for mask in masks} if by_key else {}
        times = Counter(key for own in keys_of.values() for key in own) if unique else Counter[str]()
        new = []
        for mask, own in keys_of.items():
            fitting = [*dict.fromkeys(image for key in own if times[key] < 2 for image in by_key.get(key, ()))]
            if len(fitting) > 1 and mask.place.role:  # images/1.png, not 1.png, beside masks/1.png
                fitting = [image for image in fitting if image.place.role == "image"] or fitting
            if len(fitting) == 1:
                new.append((fitting[0], mask))
            elif len(fitting) > 1 and report:
                self._report(mask, fitting)
        for image, mask in new:
            self._add(image, Match(mask, keys.affix_of(mask), part(mask)))
        return new

    def _report(self, mask: Item, images: list[Item]) -> None:
        self.result.taken.add(mask)
        one, other = images[:2]
        self.result.conflicts.append(
            InputError(
                f"{one.path} and {other.path} have the same name, so that {mask.path} fits both: rename or remove one"
            )
        )

    def _by_affix(
        self, images: list[Item], masks: list[Item], folders: keys.Keys, part: Callable[[Item], str] | None = None
    ) -> None:
        """Match names that differ by what others in the folder have too: 21_training and 21_manual1."""
        if not (masks := self._open(masks)):
            return
        known = keys.KnownStems(images, keys.reduced if folders is keys.reduced else self._bare_image)
        found = [(mask, *fit) for mask in masks if (fit := known.find(mask, folders))]
        times = Counter(affix for _, _, affix in found)
        closed, numbers_images = set(self.found), found and keys.numbers_images(images)
        for mask, image, affix in found:
            if keys.NUMBER.fullmatch(affix.strip("*")):
                if not numbers_images:
                    self._add(image, Match(mask, "", part(mask) if part else ""))
            elif image not in closed and (times[affix] > 1 or len(found) == len(masks) or kind_of_file(mask.stem)):
                self._add(image, Match(mask, affix, part(mask) if part else affix.strip("*-_. ")))

    def _by_part(
        self, images: list[Item], masks: list[Item], without_part: Callable[[Item], tuple[str, str] | None]
    ) -> None:
        """Match masks in folders below that for masks, such as one for each class: masks/polyp/a.png."""
        split = {mask: found for mask in self._open(masks) if (found := without_part(mask))}
        if not split:
            return
        images = self._without(images)

        def folders(mask: Item) -> list[str]:
            return [split[mask][0]]

        def part(mask: Item) -> str:
            return split[mask][1]

        for image_stems, mask_stems in ((keys.stem, keys.stem), (keys.image_stems, keys.mask_stems)):
            image_keys = keys.join(self._bare_image, image_stems)
            self._join(images, self._open(split), image_keys, keys.join(folders, mask_stems), part=part)
        self._by_affix(self._without(images), self._open(split), folders, part)

    def _by_own_folder(self, images: list[Item], masks: list[Item]) -> None:
        """Match the masks in a folder that is named after an image, if most images have one: masks/a/0.png."""
        left, images = self._open(masks), self._without(images)
        if left and images:
            folders = {keys.bare(mask)[0] for mask in left}
            named = [image for image in images if folders & {*keys.join(keys.bare, keys.stem)(image)}]
            if 2 * len(named) >= len(images):
                self._join(named, left, keys.join(keys.bare, keys.stem), keys.bare)

    def _by_number(self, images: list[Item], masks: list[Item]) -> None:
        """Match t001 and man_seg001 if that is how all names in both folders are made.

        One of the two must be little more than a number: scanB_1.png is not the mask of scanA_1.png.
        """
        masks = [m for m in self._open(masks) if (m.place.role or m.kind == CHOSEN) and m.place not in self.places]
        images = [image for image in self._without(images) if image.place not in self.places] if masks else []
        (of_image, plain_images), (of_mask, plain_masks) = keys.numbers(images), keys.numbers(masks)
        for some_images, some_masks in ((plain_images, of_mask), (of_image, plain_masks)):
            for image_folders, mask_folders in ((keys.reduced, keys.reduced), (self._bare_image, self._bare_mask)):
                self.result.numbered += self._join(
                    self._without(some_images), self._open(some_masks),
                    keys.join(image_folders, lambda image: [of_image[image]]),
                    keys.join(mask_folders, lambda mask: [of_mask[mask]]), unique=True,
                )  # fmt: skip

    def _by_folder(self, images: list[Item], masks: list[Item]) -> None:
        """Match a folder of masks, one of each object, with the only image that lies beside it."""
        masks = [mask for mask in self._open(masks) if mask.place.role and mask.place not in self.places]
        in_folder: dict[str, list[Item]] = defaultdict(list)
        for image in images if masks else ():
            in_folder["/".join(image.place.bare)].append(image)
        alone = [found[0] for key, found in in_folder.items() if key and len(found) == 1]
        if len(masks) > len({mask.place.bare for mask in masks}):  # else they may just as well be misnamed
            self._join(self._without(alone), masks, keys.bare, keys.bare)

"""Media: what senses read, out of sound and pictures."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
from contest import OURS, Aim, Contest, Differ, Row, Setting, Work, needed

from duomo.modalities.audio import RATE, log_mel
from duomo.modalities.image import IMAGE, to_jpeg
from duomo.modalities.pixels import fitted
from duomo.modalities.video import VIDEO, Clip
from duomo.recipe import CutRecipe

SECONDS, BANDS = 30, 80
PICTURES, CLIPS = 24, 6
APART = 2e-4


def mel(setting: Setting) -> Contest:
    """Half a minute of sound as Whisper's features."""
    random = np.random.default_rng(0)
    time_L = np.arange(SECONDS * RATE) / RATE
    sound_L = (0.3 * np.sin(2 * np.pi * (200 + 30 * time_L) * time_L) + 0.05 * random.standard_normal(len(time_L))).astype(np.float32)
    absent = needed({"transformers": "transformers", "faster-whisper": "faster_whisper.feature_extractor"})
    found: dict[str, Callable[[], np.ndarray]] = {OURS: lambda: log_mel(sound_L, BANDS)}
    if "transformers" not in absent:
        import transformers

        extract = transformers.WhisperFeatureExtractor(feature_size=BANDS)
        found["transformers"] = lambda: extract(sound_L, sampling_rate=RATE, return_tensors="np", do_normalize=False).input_features[0].T
    if "faster-whisper" not in absent:
        from faster_whisper.feature_extractor import FeatureExtractor

        other = FeatureExtractor(feature_size=BANDS)
        found["faster-whisper"] = lambda: other(sound_L, padding=0).T
    mine = found[OURS]()
    told = [near(name, mine, one()[: len(mine)]) for name, one in found.items() if name != OURS]
    return Contest({name: _work(one, SECONDS) for name, one in found.items()}, "; ".join(told), absent=absent)


def pictures(setting: Setting) -> Contest:
    """JPEGs of 640 × 480 to tiles of 224 × 224 in colour, beside the same steps as one would write them with Pillow and NumPy."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 255, (PICTURES, 15, 20, 3), dtype=np.uint8)
    files = [to_jpeg(one.repeat(32, 0).repeat(32, 1)) for one in coarse]
    recipe = CutRecipe(size=(224, 224), hop=(16, 16), merge=(1, 1), features=3)

    def ours() -> np.ndarray:
        return np.stack([IMAGE.cut(IMAGE.read(file, recipe), recipe).values_NF.numpy() for file in files])

    def pillow() -> np.ndarray:
        from PIL import Image

        made = []
        for file in files:
            picture = Image.open(BytesIO(file))
            picture.draft("RGB", (2 * max(recipe.size),) * 2)
            picture = picture.convert("RGB")
            rows, columns = fitted(picture.size[::-1], recipe.size)
            pixels = np.asarray(picture.resize((columns, rows), Image.Resampling.BILINEAR)).astype(np.float32) / 127.5 - 1
            canvas = np.full((-(-rows // 16) * 16, -(-columns // 16) * 16, 3), -1.0, np.float32)
            canvas[:rows, :columns] = pixels
            tiles = canvas.reshape(canvas.shape[0] // 16, 16, canvas.shape[1] // 16, 16, 3).swapaxes(1, 2)
            made.append(tiles.reshape(-1, 16 * 16 * 3))
        return np.stack(made)

    absent, found = needed({"transformers": "transformers"}), {OURS: ours, "Pillow and NumPy": pillow}
    if not absent:
        found["transformers"] = processed(files, recipe)
    told = [near(name, ours(), one()) for name, one in found.items() if name != OURS]
    return Contest({name: _work(one, PICTURES) for name, one in found.items()}, "; ".join(told), absent=absent)


def clips(setting: Setting) -> Contest:
    """MP4s of four seconds at 25 pictures a second to tubes, four pictures a second; beside the same with PyAV and Pillow by hand."""
    random, recipe = np.random.default_rng(0), CutRecipe(size=(16, 112, 112), hop=(2, 16, 16), merge=(1, 1, 1), features=3, rate=4)
    files = []
    for _ in range(CLIPS):
        coarse = random.integers(0, 255, (100, 9, 12, 3), dtype=np.uint8)
        coarse[1:] = coarse[:-1] // 8 * 7 + coarse[1:] // 8
        files.append(VIDEO.write(Clip(coarse.repeat(16, 1).repeat(16, 2), np.arange(100) / 25)))

    def ours() -> np.ndarray:
        return np.stack([VIDEO.cut(VIDEO.read(file, recipe), recipe).values_NF.numpy() for file in files])

    def by_hand() -> np.ndarray:
        import av
        from PIL import Image

        made, wanted = [], {int(25 * n / recipe.rate) for n in range(recipe.size[0])}
        for file in files:
            with av.open(BytesIO(file)) as film:
                film.streams.video[0].thread_count = 1
                shown = [frame.to_image() for n, frame in enumerate(film.decode(video=0)) if n in wanted]
            rows, columns = fitted(shown[0].size[::-1], recipe.size[1:])
            canvas = np.full((len(shown), -(-rows // 16) * 16, -(-columns // 16) * 16, 3), -1.0, np.float32)
            for n, picture in enumerate(shown):
                canvas[n, :rows, :columns] = np.asarray(picture.resize((columns, rows), Image.Resampling.BILINEAR)) / np.float32(127.5) - 1
            tubes = canvas.reshape(len(shown) // 2, 2, canvas.shape[1] // 16, 16, canvas.shape[2] // 16, 16, 3)
            made.append(tubes.transpose(0, 2, 4, 1, 3, 5, 6).reshape(-1, 2 * 16 * 16 * 3))
        return np.stack(made)

    told = near("by hand", ours(), by_hand())
    works = {OURS: _work(ours, CLIPS), "PyAV and Pillow": _work(by_hand, CLIPS)}
    return Contest(works, told, absent={"transformers": "its video processors want torchvision, which is not built for these processors"})


def processed(files: list[bytes], recipe: CutRecipe) -> Callable[[], np.ndarray]:
    """The picture processor of ViT and SigLIP in transformers, to the same size; it leaves the tiles to the model, so they are cut here."""
    import transformers
    from PIL import Image

    kind = getattr(transformers, "ViTImageProcessorPil", transformers.ViTImageProcessor)
    rows, columns = fitted((480, 640), recipe.size)
    process = kind(size={"height": rows, "width": columns}, resample=2, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    lack = -rows % recipe.hop[0]

    def work() -> np.ndarray:
        made = []
        for file in files:
            pixels = process(Image.open(BytesIO(file)).convert("RGB"), return_tensors="np")["pixel_values"][0].transpose(1, 2, 0)
            canvas = np.pad(pixels, ((0, lack), (0, 0), (0, 0)), constant_values=-1).astype(np.float32)
            tiles = canvas.reshape(canvas.shape[0] // 16, 16, canvas.shape[1] // 16, 16, 3).swapaxes(1, 2)
            made.append(tiles.reshape(-1, 16 * 16 * 3))
        return np.stack(made)

    return work


def near(name: str, ours: np.ndarray, theirs: np.ndarray) -> str:
    """A line that says how near two are. Raises Differ where that is not near enough."""
    if ours.shape != theirs.shape:
        raise Differ(f"{name}: shaped {theirs.shape}, not {ours.shape}")
    apart = float(np.abs(ours - theirs).max())
    if not apart <= APART:
        raise Differ(f"{name}: differs by {apart:.2g}, {APART:g} are allowed")
    return f"{name} within {apart:.1e}"


def _work(one: Callable[[], Any], units: float) -> Work:
    def timed() -> float:
        one()
        return units

    return timed


ROWS = (
    Row("mel", "log-mel of 30 s", "× real time", mel, aims=(Aim("transformers", 1.4),), weight=0.5),
    Row("pictures", "JPEG to tiles", "pictures/s", pictures, aims=(Aim("transformers", 1.4),), weight=0.5),
    Row("clips", "MP4 to tubes", "clips/s", clips, headline=False, weight=0.5),
)

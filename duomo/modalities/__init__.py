"""The modalities that Duomo reads. To add one: write its file, add its row."""

from duomo.modalities.audio import AUDIO
from duomo.modalities.image import IMAGE
from duomo.modalities.modality import Modality
from duomo.modalities.video import VIDEO

MODALITIES: dict[str, Modality] = {
    modality.name: modality
    for modality in (
        IMAGE,
        AUDIO,
        VIDEO,
    )
}

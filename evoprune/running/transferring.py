"""The task of a transfer: a frozen backbone, and the features of all images, computed once.

Start reading at `prepare_transfer`; `growing` goes on from there. The features of the test images
are computed when the search has ended, and somebody asks for them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from tqdm import tqdm

from evoprune.errors import InputError
from evoprune.evaluation.heads import Asking, HeadEvaluator, Images, Shown
from evoprune.evaluation.outofdistribution import balanced
from evoprune.network import datasets, models
from evoprune.network.backbones import backbone, brought, mean_and_deviation
from evoprune.network.heads import Head
from evoprune.network.trunk import Transferred, Trunk, features_of
from evoprune.passes import Passes
from evoprune.running.apart import check_foreign
from evoprune.running.device import usable_device
from evoprune.running.problem import train_here
from evoprune.running.transfer_settings import Transfer
from evoprune.seeding import Streams
from evoprune.space.heads import HeadSpace

Sized = tuple[int, int]  # channels, height and width


@dataclass
class TransferProblem:
    """A frozen backbone, own and foreign images, and the space of all heads.

    Attributes:
        config: the settings.
        model: the backbone, whole.
        trunk: the backbone up to its features.
        data: the target; its images are as they came.
        foreign: data sets that candidates are judged on.
        unseen: data sets for the final figures alone.
        form: channels and size that all images are brought to.
        normal: mean and deviation that normalise them, by channel.
        passes: image passes by kind.
        streams: the random streams of the run.
        space: all heads of the encoding; `growing.grow` finds what its genes matter.
        start: the head that training begins with, from `grow`.
        dense: the same, trained.
        opinions: of the genes, for a guided search; see `growing.opinions`.
        standard: mean and deviation of all features of the training images, two numbers that
            bring them to 0 and 1: one rate of learning then suits heads on every backbone (ours).
        keep: folder in which features are kept; None keeps them in memory alone.
    """

    config: Transfer
    model: nn.Module
    trunk: Trunk
    data: datasets.Dataset
    foreign: list[datasets.Dataset]
    unseen: list[datasets.Dataset]
    form: Sized
    normal: tuple[tuple[float, ...], tuple[float, ...]]
    passes: Passes
    streams: Streams
    space: HeadSpace
    start: Head = field(init=False)
    dense: Head = field(init=False)
    opinions: npt.NDArray[np.float64] = field(init=False)
    standard: tuple[float, float] = field(init=False, default=(0.0, 1.0))
    keep: Path | None = field(init=False, default=None)
    precision: str = field(init=False, default="fp32")
    _known: dict[str, torch.Tensor] = field(init=False, default_factory=dict)

    @property
    def asking(self) -> Asking:
        """Return how heads are asked."""
        config = self.config
        return Asking(config.score, self.passes, config.perturbation, self.network)

    def network(self, head: Head) -> Transferred:
        """Return backbone and head as one network, from normalised images to logits."""
        return Transferred(self.trunk, head, *self.standard).to(self.config.device).eval()

    def evaluator(self) -> HeadEvaluator:
        """Return who trains and judges candidates."""
        features, labels = self.training_features()
        return HeadEvaluator(
            self.space,
            self.dense if self.config.inherit else self.start,
            features,
            labels,
            self.shown("search"),
            self.asking,
            self.config.training(),
            seed=self.config.seed,
            passes=self.passes,
            measure=self.config.measure,
        )

    def training_features(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return features and labels that heads learn from."""
        train = self.data.train.part(slice(self.config.train_images))
        return self.features(train.images, "training"), train.labels.to(self.config.device)

    def shown(self, split: str, *, known: bool = True) -> Shown:
        """Return own and foreign images of a split; of both kinds as many.

        Args:
            split: "train", "search" or "test".
            known: whether the foreign ones are of the data sets of the search, or of others.
        """
        own, chosen = self.sides(split, known=known)
        features = [self.features(images) for images in (own.images, *chosen)]
        images = None
        if self.config.perturbation > 0:
            images = Images([own.images], self.images), Images(chosen, self.images)
        labels = own.labels.to(self.config.device)
        return Shown(features[0], labels, torch.cat(features[1:]), images)

    def sides(self, split: str, *, known: bool = True) -> tuple[datasets.Split, list[torch.Tensor]]:
        """Return the own images of a split, and of each foreign data set some, all as they came.

        Args:
            split: see `shown`.
            known: see `shown`.
        """
        limit = {"train": self.config.train_images, "search": self.config.search_images}
        own = getattr(self.data, split).part(slice(limit.get(split)))
        others = [getattr(data, split).images for data in (self.foreign if known else self.unseen)]
        rng = np.random.default_rng(0)  # the same ones in every run
        places = balanced([len(images) for images in others], len(own), rng)
        chosen = [images[torch.from_numpy(p)] for images, p in zip(others, places, strict=True)]
        return own, chosen

    def images(self, raw: torch.Tensor) -> torch.Tensor:
        """Bring raw images, uint8, to the form that the backbone takes, and normalise them."""
        channels, size = self.form
        mean, deviation = (torch.tensor(values).view(1, -1, 1, 1) for values in self.normal)
        some = brought(raw, channels=channels, size=size)
        return ((some.float() / 255 - mean) / deviation).to(self.config.device)

    def features(self, raw: torch.Tensor, kind: str = "fitness") -> torch.Tensor:
        """Return features of raw images, standardised; each image goes through the backbone once.

        That is counted also where the folder has them: rows do not depend on what it holds.

        Args:
            raw: uint8, shape (images, channels, height, width).
            kind: of image passes that computing them counts as.
        """
        name = self._name(raw)
        if name not in self._known:
            self._known[name] = self._read(name, raw)
            self.passes[kind] += len(raw)
        mean, deviation = self.standard
        return (self._known[name] - mean) / deviation

    def _read(self, name: str, raw: torch.Tensor) -> torch.Tensor:
        """Return features from the folder, or else compute them and keep them there."""
        path = None if self.keep is None else self.keep / f"{name}.npy"
        if path is not None and path.is_file():
            return loaded(path).to(self.config.device)
        shown = tqdm(raw.split(BATCH), desc="features", leave=False, disable=None)
        features = torch.cat([features_of(self.trunk, self.images(some)) for some in shown])
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = path.with_suffix(f".{os.getpid()}")  # two runs may share the folder
            with beside.open("wb") as file:
                np.save(file, features.cpu().numpy())
            beside.replace(path)
        return features

    def _name(self, raw: torch.Tensor) -> str:
        """Return a name for the features of some images by this backbone."""
        told = self.form, self.normal, self.trunk.layer, self.trunk.pool
        digest = blake2b(repr(told).encode(), digest_size=12)
        for value in self.trunk.state_dict().values():
            digest.update(value.cpu().contiguous().numpy().tobytes())
        digest.update(raw.contiguous().numpy().tobytes())
        return digest.hexdigest()


BATCH = 512  # images that are brought to the backbone's size at once


def loaded(path: Path) -> torch.Tensor:
    """Return features that were kept in a file.

    Raises:
        InputError: if it is damaged.
    """
    try:
        return torch.from_numpy(np.load(path))
    except (ValueError, OSError, EOFError) as cause:
        raise InputError(
            f"features: {path} is damaged; delete it, and they are computed again"
        ) from cause


def prepare_transfer(
    config: Transfer,
    streams: Streams,
    *,
    trained: Path | None = None,
) -> TransferProblem:
    """Build the task of a transfer; `growing.grow` then computes what takes time.

    Args:
        config: the settings.
        streams: of the run; "torch" is drawn from where a backbone is trained.
        trained: weights of the backbone that an earlier start of this run trained.

    Raises:
        InputError: if backbone and images do not fit together, a foreign data set holds images of
            the target, or the target has fewer than two classes.
    """
    if config.features and Path(config.features).is_file():
        raise InputError(f"features: expected a folder, {config.features} is a file; name another")
    data, *others = [
        datasets.load(name, root=config.data_root, download=config.download)
        for name in (config.data, *config.foreign, *config.unseen)
    ]
    foreign, unseen = others[: len(config.foreign)], others[len(config.foreign) :]
    if len(data.classes) < 2:
        raise InputError(f"data {config.data}: expected two classes or more to tell apart, got one")
    check_foreign(data, foreign, unseen)
    for name, split in (("train_images", data.train), ("search_images", data.search)):
        wanted = getattr(config, name)
        if wanted is not None and wanted > len(split):
            option = name.replace("_", "-")
            raise InputError(f"{option}: expected 1 to {len(split)}, got {wanted}")
    source = None
    if config.source is not None:
        source = datasets.load(config.source, root=config.data_root, download=config.download)
    device = usable_device(config.device)
    torch.set_flush_denormal(True)
    form = form_of(config, source, data)
    model, width = network_of(config, source, form, streams, trained)
    trunk = Trunk(model.to(device), config.layer, config.pool)
    normal = mean_and_deviation(config.model, source, channels=form[0])
    space = HeadSpace(width, config.units, config.encoding)
    task = (config, model, trunk, data, foreign, unseen, form, normal, Passes(), streams)
    return TransferProblem(*task, space)


def form_of(config: Transfer, source: datasets.Dataset | None, data: datasets.Dataset) -> Sized:
    """Return the channels that the backbone takes, and the size that images are brought to."""
    like = data if source is None else source
    channels = 3 if source is None else int(source.train.images.shape[1])
    return channels, config.image_size or int(like.train.images.shape[-1])


def network_of(
    config: Transfer,
    source: datasets.Dataset | None,
    form: Sized,
    streams: Streams,
    trained: Path | None,
) -> tuple[nn.Module, int]:
    """Return the backbone with its weights, in evaluation mode, and how many features it gives."""
    channels, size = form
    how = {"channels": channels, "image_size": size}
    if config.weights is not None:
        model = backbone(
            config.model, weights=config.weights, trust_pickle=config.trust_pickle, **how
        )
        return model, width_of(config, model, form)
    assert source is not None  # the settings saw to it
    model = models.build(config.model, classes=len(source.classes), **how)
    width = width_of(config, model, form)  # to complain before the training, not after it
    if trained is not None:
        models.load_weights(model, trained)
    else:
        train_here(model, in_form(source, form), streams.torch)
    return model.eval(), width


def in_form(data: datasets.Dataset, form: Sized) -> datasets.Dataset:
    """Return a data set whose images have the channels and the size of a backbone."""
    channels, size = form
    parts = {name: getattr(data, name) for name in ("train", "search", "test")}
    for name, part in parts.items():
        parts[name] = replace(part, images=brought(part.images, channels=channels, size=size))
    return replace(data, **parts)


def width_of(config: Transfer, model: nn.Module, form: Sized) -> int:
    """Return how many features the backbone gives.

    Raises:
        InputError: if it has none, or does not take the images; it says what to write.
    """
    channels, size = form
    try:
        with torch.no_grad():
            trunk = Trunk(model, config.layer, config.pool)
            return int(trunk(torch.zeros(2, channels, size, size)).shape[1])
    except InputError:
        raise
    except Exception as cause:  # whatever a network raises where images do not fit
        raise InputError(
            f"model: {config.model} does not take images of {channels}x{size}x{size}: "
            f"{(str(cause) or repr(cause)).splitlines()[0]}; write a larger --image-size"
        ) from cause

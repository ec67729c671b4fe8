"""Genomes that stand in for DEAP's lists: packed bits for masks, float64 arrays for thresholds.

Start with `BitString`: everything that DEAP's operators ask of a list of bits (length, integers in,
integers out, slices that are copies) on one bit a gene. `RealVector` is the same over numbers.
An individual is a genome with a fitness: see `operators/individuals.py`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

Bits = NDArray[np.bool_]
B = TypeVar("B", bound="BitString")
R = TypeVar("R", bound="RealVector")


class _Genome:
    """What both genomes share: `_content` is in arrays, all else (the fitness) in `__dict__`."""

    __slots__ = ("__dict__", "__weakref__")

    def digest(self: Any) -> bytes:
        """Return 16 bytes that name the content (blake2b)."""
        name = blake2b(digest_size=16)
        for part in map(np.asarray, self._content()):  # + 0 makes -0.0 the 0.0 that it equals
            name.update(np.ascontiguousarray(part + 0 if part.dtype.kind == "f" else part).data)
        return name.digest()

    def __hash__(self) -> int:
        return hash(self.digest())

    def __eq__(self: Any, other: Any) -> bool:
        if isinstance(other, (BitString, RealVector)):
            ours, theirs = self._content(), other._content()
            return len(ours) == len(theirs) and all(map(np.array_equal, ours, theirs))
        if isinstance(other, np.ndarray):
            return np.array_equal(self.to_numpy(), other)
        return list(self) == other if isinstance(other, list) else NotImplemented

    def __array__(self: Any, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        genes = self.to_numpy()
        return genes if dtype is None else genes.astype(dtype, copy=False)

    def __copy__(self: Any) -> Any:
        return copy.deepcopy(self)

    def __deepcopy__(self: Any, memo: dict[int, Any]) -> Any:
        made = memo[id(self)] = _rebuild(type(self), *copy.deepcopy(self._content()))
        vars(made).update(copy.deepcopy(vars(self), memo))
        return made

    def __reduce__(self: Any) -> tuple[Any, ...]:
        return _rebuild, (type(self), *self._content()), vars(self)


def _rebuild(cls: Any, *content: Any) -> Any:
    """Make a genome from its content alone: attributes, the fitness too, come after it."""
    made = cls.__new__(cls)
    made._fill(*content)
    return made


class BitString(_Genome):
    """Hold n genes of 0 and 1, packed one bit each.

    It is read and written as a list of bits: by integer, by slice (slices are copies, plain
    BitStrings, as DEAP's crossovers need), and by an array of indices. `==` gives one bool and,
    like the hash, looks at the genes only, not at the fitness. The length never changes.

    Attributes:
        packed: uint8 array of ceil(n / 8) bytes, the first gene in the highest bit of the first
            byte. It may be written in place; the unused bits at its end must stay 0.

    >>> mask = BitString([1, 0, 1, 1])
    >>> mask[1], mask[2:], mask.count()
    (0, BitString('11'), 3)
    >>> mask[[0, 1]] = [0, 1]
    >>> mask == [0, 1, 1, 1]
    True
    """

    __slots__ = ("_length", "packed")

    packed: NDArray[np.uint8]
    _length: int

    def __init__(self, bits: Iterable[int] = ()) -> None:
        """Take the genes from any iterable of 0 and 1; other values are a ValueError."""
        values = _as_bits(bits)
        self._fill(np.packbits(values), values.size)

    @classmethod
    def zeros(cls: type[B], n: int) -> B:
        """Make n genes that are all 0."""
        return cls.from_packed(np.zeros(-(-n // 8), dtype=np.uint8), n)

    @classmethod
    def from_numpy(cls: type[B], bits: ArrayLike) -> B:
        """Make a genome from a one-dimensional array of bools or of 0 and 1, copied."""
        return cls(cast("Iterable[int]", bits))

    @classmethod
    def from_packed(cls: type[B], packed: NDArray[np.uint8], length: int) -> B:
        """Make a genome from ceil(length / 8) bytes, copied; the unused bits are cleared.

        >>> BitString.from_packed(np.array([0b10110000], dtype=np.uint8), 4)
        BitString('1011')
        """
        made, data = cls(), np.array(packed, dtype=np.uint8)
        if length < 0 or data.shape != (-(-length // 8),):
            raise ValueError(
                f"packed: expected {-(-length // 8)} bytes for {length} genes, got shape "
                f"{data.shape}; pass np.packbits(bits) and len(bits)"
            )
        if length % 8:
            data[-1] &= (0xFF00 >> length % 8) & 0xFF
        made._fill(data, length)
        return made

    def to_numpy(self) -> Bits:
        """Return the genes as a new bool array of shape [n], owned by the caller."""
        return np.unpackbits(self.packed, count=self._length).view(np.bool_)

    def count(self) -> int:
        """Return how many genes are 1."""
        return int(np.bitwise_count(self.packed).sum(dtype=np.int64))

    def _content(self) -> tuple[Any, ...]:
        return self.packed, self._length

    def _fill(self, *content: Any) -> None:
        packed, self._length = content
        self.packed = np.require(packed, requirements="W")

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[int]:
        return iter(np.unpackbits(self.packed, count=self._length).tobytes())

    def __repr__(self) -> str:
        shown = "".join(map(str, self[:64]))
        return f"{type(self).__name__}('{shown}'{', ...' if len(self) > 64 else ''})"

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return BitString(self._read(range(self._length)[index]))
        if isinstance(index, (int, np.integer)):
            place = range(self._length)[index]
            return int(self.packed[place >> 3]) >> (7 - (place & 7)) & 1
        return self._read(self._places(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, slice):
            genes, bits = range(self._length)[index], _as_bits(value)
            if bits.shape != (len(genes),):
                raise ValueError(
                    f"slice: expected {len(genes)} genes, got {bits.size}; "
                    "a BitString keeps its length"
                )
            self._write(genes, bits)
        elif isinstance(index, (int, np.integer)):
            if value not in (0, 1):
                raise ValueError(f"bit: expected 0 or 1, got {value!r}; write int(x != 0)")
            place = range(self._length)[index]
            byte, flag = int(self.packed[place >> 3]), 128 >> (place & 7)
            self.packed[place >> 3] = byte | flag if value else byte & ~flag
        else:
            self._write(self._places(index), _as_bits(value))

    def _read(self, places: range | NDArray[np.int64]) -> Any:
        """Return the bits at these places, of a run by unpacking its bytes."""
        if isinstance(places, range) and places.step == 1:
            skipped = places.start & 7
            run = np.unpackbits(self.packed[places.start >> 3 : (places.stop + 7) >> 3])
            return run[skipped : skipped + len(places)].view(np.bool_)
        at = np.asarray(places, dtype=np.int64)
        return np.bitwise_and(self.packed[at >> 3], 128 >> (at & 7)) != 0

    def _write(self, places: range | NDArray[np.int64], bits: Bits) -> None:
        """Set the bits at these places, the counterpart of `_read`."""
        if isinstance(places, range) and places.step == 1:
            touched, skipped = slice(places.start >> 3, (places.stop + 7) >> 3), places.start & 7
            run = np.unpackbits(self.packed[touched])
            run[skipped : skipped + len(places)] = bits
            self.packed[touched] = np.packbits(run)
            return
        at = np.asarray(places, dtype=np.int64)
        bits = np.broadcast_to(bits, at.shape)
        for bit in range(8):  # one bit of the bytes at a time: several genes may share a byte
            here = np.flatnonzero((at & 7) == bit)
            byte, flag = at[here] >> 3, np.uint8(128 >> bit)
            old = self.packed[byte]
            self.packed[byte] = np.where(bits[here], old | flag, old & ~flag)

    def _places(self, index: Any) -> NDArray[np.int64]:
        """Bring an array of integers, or of n bools, to places 0 ... n - 1."""
        places, n = np.asarray(index), self._length
        if places.dtype == np.bool_ and places.shape == (n,):
            return np.flatnonzero(places)
        if places.ndim != 1 or (places.size and places.dtype.kind not in "iu"):
            raise IndexError(f"index: expected integers, a slice or {n} bools, got {index!r}")
        if places.size and (places.min() < -n or places.max() >= n):
            raise IndexError(f"index: expected integers from -{n} to {n - 1}, got {index!r}")
        places = places.astype(np.int64)
        return np.where(places < 0, places + n, places)


def _as_bits(values: Any) -> Bits:
    """Return 0s and 1s, however they come, as a bool array."""
    if isinstance(values, BitString):
        return values.to_numpy()
    array = np.asarray(list(values) if isinstance(values, Iterator) else values)
    if array.dtype != np.bool_ and not np.logical_or(array == 0, array == 1).all():
        raise ValueError(f"bits: expected only 0 and 1, got {array.ravel()[:8]}; write x != 0")
    if array.ndim > 1:
        raise ValueError(f"bits: expected one dimension, got shape {array.shape}; write x.ravel()")
    return array.astype(np.bool_, copy=False)


class RealVector(_Genome):
    """Hold n numbers in a float64 array; it is read, written, copied and pickled as a BitString is.

    DEAP's operators for lists of floats, such as cxSimulatedBinaryBounded and
    mutPolynomialBounded, work on it as they are. Bounds belong to the space, not to the vector.

    Attributes:
        array: float64 array of shape [n], may be written in place.

    >>> vector = RealVector([0.5, 0.25, 0.0])
    >>> vector[0], vector[1:], vector == [0.5, 0.25, 0.0]
    (0.5, RealVector([0.25, 0.0]), True)
    """

    __slots__ = ("array",)

    array: NDArray[np.float64]

    def __init__(self, values: Iterable[float] = ()) -> None:
        """Take the genes from any iterable of numbers, copied."""
        self.array = np.fromiter(values, dtype=np.float64)

    @classmethod
    def from_numpy(cls: type[R], values: ArrayLike) -> R:
        """Make a genome from a one-dimensional array, copied."""
        return cls(cast("Iterable[float]", np.asarray(values, dtype=np.float64)))

    def to_numpy(self) -> NDArray[np.float64]:
        """Return the genes as a new float64 array of shape [n], owned by the caller."""
        return self.array.copy()

    def _content(self) -> tuple[Any, ...]:
        return (self.array,)

    def _fill(self, *content: Any) -> None:
        self.array = np.require(content[0], requirements="W")

    def __len__(self) -> int:
        return self.array.size

    def __iter__(self) -> Iterator[float]:
        return iter(self.array.tolist())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.array.tolist()})"

    def __getitem__(self, index: Any) -> Any:
        chosen = self.array[index]
        if isinstance(index, slice):
            return RealVector(chosen)
        return float(chosen) if np.ndim(chosen) == 0 else chosen

    def __setitem__(self, index: Any, value: Any) -> None:
        new = np.array(value, dtype=np.float64)
        if isinstance(index, slice) and new.shape != self.array[index].shape:
            raise ValueError(
                f"slice: expected {self.array[index].size} genes, got {new.size}; "
                "a RealVector keeps its length"
            )
        self.array[index] = new

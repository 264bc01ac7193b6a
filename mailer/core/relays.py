"""The relays mails leave by, as the settings name them, and which connection goes to which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator


def _name(text: str) -> str:
    """A name or an address, and nothing that people write around one."""
    bare = text.removeprefix("[").removesuffix("]")
    if not bare or any(mark in bare for mark in "/@[] \t\r\n") or bare.count(":") == 1:
        raise ValueError(
            "write the name of the machine alone, such as smtp.kardelen.example; its port goes to port"
        )
    return bare


Host = Annotated[str, AfterValidator(_name)]


class Relay(BaseModel):
    """An SMTP relay. Without a host, the built-in mailbox."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: Host | None = None
    port: Annotated[int, Field(ge=1, le=65535)] = 25
    username: str | None = None
    password: SecretStr | None = None
    tls: Literal["none", "starttls", "implicit"] = "starttls"
    ca_file: str | None = None  # PEM; none: the system's authorities
    verify: bool = True  # whether its certificate is looked at
    connections: Annotated[int, Field(ge=1, le=1000)] = 10  # over all senders
    #: Messages a second, over all senders.
    rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _whole(self) -> Relay:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password go together; set both or neither")
        if self.username is not None and self.host is None:
            raise ValueError("a user name needs a host; set relay.host")
        if self.tls == "none" and (self.ca_file is not None or not self.verify):
            raise ValueError("without TLS there is no certificate; take ca_file and verify out, or set tls")
        if self.ca_file is not None and not self.verify:
            raise ValueError("ca_file says whom to trust and verify: false to trust anybody; set one of them")
        return self

    @property
    def share(self) -> int:
        """Its weight among several."""
        return 1

    def under(self, folder: str) -> Self:
        """The same, its CA file counted from this folder."""
        if self.ca_file is None or self.ca_file.startswith("/"):
            return self
        return self.model_copy(update={"ca_file": f"{folder}/{self.ca_file}"})

    @property
    def key(self) -> str:
        """What tells it from the others."""
        return f"{self.username}@{self.host}:{self.port}" if self.username else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class OneOfSeveral(Relay):
    """A relay that shares the mails with others."""

    host: Host
    weight: Annotated[int, Field(ge=1, le=1000)] = 1  # its share of the connections, and so of the mails

    @property
    def share(self) -> int:
        """Its weight among several."""
        return self.weight


@dataclass(frozen=True, slots=True)
class Part:
    """One sender's part of the connections to each relay."""

    homes: tuple[int, ...]  # for each of its connections the relay it belongs to
    most: tuple[int, ...]  # for each relay, how many of them may go there while others are down


def dealt(connections: Sequence[int], weights: Sequence[int]) -> tuple[int, ...]:
    """The relay of each connection, mixed: as many as each relay takes, in the proportion of the weights.

    The relay that takes least for its weight has all it takes; every relay has one at least.
    """
    scale = min(most / weight for most, weight in zip(connections, weights, strict=True))
    numbers = [max(1, int(scale * weight + 1e-9)) for weight in weights]
    total = sum(numbers)
    order: list[int] = []
    for place in range(1, total + 1):
        # The one furthest behind its share comes next, so that every stretch has about the same mixture.
        behind = [number * place / total - order.count(index) for index, number in enumerate(numbers)]
        order.append(behind.index(max(behind)))
    return tuple(order)


def part(connections: Sequence[int], weights: Sequence[int], first: int, count: int) -> Part:
    """The part of a sender that has `count` connections from number `first` on; those of all add up to no more."""
    order = dealt(connections, weights)
    total = len(order)
    homes = tuple(order[number % total] for number in range(first, first + count))
    most = []
    for index, whole in enumerate(connections):
        spare = whole - order.count(index)
        extra = spare * (first + count) // total - spare * first // total
        most.append(homes.count(index) + extra)
    return Part(homes, tuple(most))


def stand_in(
    well: Sequence[bool], used: Sequence[int], most: Sequence[int], weights: Sequence[int]
) -> int | None:
    """The relay for a connection whose own is down: the least used for its weight with room; None: there is none."""
    fit = [index for index, up in enumerate(well) if up and used[index] < most[index]]
    return min(fit, key=lambda index: ((used[index] + 1) / weights[index], index), default=None)

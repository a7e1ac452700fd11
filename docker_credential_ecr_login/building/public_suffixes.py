"""``make suffixes`` renews ``public_suffixes.txt``: the Public Suffix List for `domains`.

The file has no comments, is in ASCII, and leaves out what `domains` knows without it: domains of
one label, and those of AWS.
"""

import re
from importlib.resources import files

from .. import domains

_HEAD = """\
// The rules of the Public Suffix List, https://publicsuffix.org/list/public_suffix_list.dat,
// version {version}: those of several labels, in ASCII. Made by: make suffixes
// This Source Code Form is subject to the terms of the Mozilla Public License, v. 2.0. If a copy
// of the MPL was not distributed with this file, You can obtain one at
// https://mozilla.org/MPL/2.0/.
"""


def main() -> None:
    """Make it from the list in the package publicsuffixlist."""
    text = files("publicsuffixlist").joinpath("public_suffix_list.dat").read_text("utf-8")
    (version,) = re.findall(r"^// VERSION: (\S+)$", text, re.MULTILINE)
    rules = [line.split()[0] for line in text.splitlines() if line and not line.startswith("//")]
    kept = [rule for rule in map(_ascii, rules) if "." in rule and not domains.is_of_aws(rule)]
    with open(domains.LIST, "w", encoding="ascii", newline="\n") as file:
        file.write(_HEAD.format(version=version) + "".join(f"{rule}\n" for rule in sorted(kept)))


def _ascii(rule: str) -> str:
    labels = [
        label if label.isascii() else label.encode("idna").decode() for label in rule.split(".")
    ]
    return ".".join(labels)


if __name__ == "__main__":
    main()

"""The documentation as a site: complete, and no page loads anything from another server."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.documents import ROOT

if not (ROOT / "mkdocs.yml").is_file():
    pytest.skip("the documents are not part of the wheel", allow_module_level=True)

#: What a browser loads by itself, in contrast to links.
_LOADED = re.compile(
    r"<(?:script|img|iframe|link|source|video|audio)\b[^>]*?(?:src|href)=[\"']?([^\"' >]+)", re.IGNORECASE
)
_LOADED_BY_STYLE = re.compile(r"(?:url\(|@import\s+)[\"']?([^\"')]+)", re.IGNORECASE)


def pages_in(entries: object) -> set[str]:
    """The pages of a navigation."""
    if isinstance(entries, str):
        return {entries}
    parts = entries if isinstance(entries, list) else entries.values() if isinstance(entries, dict) else ()
    return {page for part in parts for page in pages_in(part)}


def test_the_navigation_has_each_page() -> None:
    navigation = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    docs = ROOT / "docs"
    assert pages_in(navigation) == {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")}


@pytest.mark.slow
def test_no_page_loads_anything_from_another_server(tmp_path: Path) -> None:
    subprocess.run(["make", "-s", "ns"], cwd=ROOT, check=True)
    build = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True)
    pages, styles = (sorted(tmp_path.rglob(f"*.{suffix}")) for suffix in ("html", "css"))
    texts = [path.read_text(encoding="utf-8") for path in pages]
    loaded = {target for text in texts for target in _LOADED.findall(text)}
    loaded |= {target for path in styles for target in _LOADED_BY_STYLE.findall(path.read_text(encoding="utf-8"))}
    assert len(pages) > 30
    assert any(each.endswith(".js") for each in loaded)
    assert {each for each in loaded if re.match(r"(?:https?:)?//", each)} == set()
    # The theme's script would ask another server about these: diagrams, and figures of a repository.
    assert [text for text in texts if 'class="mermaid"' in text or 'data-md-component="source"' in text] == []

from pathlib import Path

import pytest

from assistant.errors import InvalidSettings
from assistant.settings import load_settings


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('port = 8000\nindex_dir = "/tmp/a"\n', encoding="utf-8")
    settings = load_settings({"JIEBEI_CONFIG": str(file), "JIEBEI_PORT": "9000"})
    assert (settings.port, settings.index_dir) == (9000, "/tmp/a")


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"JIEBEI_PROT": "1"}, "prot"),
        ({"JIEBEI_PORT": "abc"}, "整数"),
        ({"JIEBEI_PORT": "0"}, "大于 0"),
        ({"JIEBEI_CONFIG": "/nowhere.toml"}, "不存在"),
    ],
)
def test_a_setting_that_cannot_work_is_named(environ: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidSettings, match=words):
        load_settings(environ)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("port = ", encoding="utf-8")
    with pytest.raises(InvalidSettings, match=str(file)):
        load_settings({"JIEBEI_CONFIG": str(file)})

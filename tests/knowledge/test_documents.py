from pathlib import Path

import pytest

from knowledge.chunking import cut
from knowledge.documents import load_corpus, parse_document
from knowledge.errors import DocumentError, KnowledgeError
from knowledge.settings import ChunkingSettings


def test_a_section_carries_its_own_source_and_questions(corpus: Path) -> None:
    documents = {document.id: document for document in load_corpus([corpus]).documents}
    why, back = documents["gone"].sections
    assert why.headings == ("借呗额度为什么没有了？",)
    assert why.asks == ("额度去哪了", "借呗怎么没额度了")
    assert [source.publisher for source in why.sources] == ["某机构"]
    assert back.sources == ()
    assert documents["record"].sections[0].sources[0].label == "《征信业管理条例》第16条"


def test_every_passage_is_an_exact_span_of_its_file(corpus: Path) -> None:
    for document in load_corpus([corpus]).documents:
        on_disk = (corpus / document.path).read_text(encoding="utf-8")
        for passage in cut(document, ChunkingSettings()):
            assert on_disk[passage.start : passage.end] == passage.text
            assert "<!--" not in passage.text


def test_a_long_section_is_cut_at_sentence_ends_without_losing_a_character() -> None:
    body = "".join(f"这是第{number}句话，说的是借呗额度的事情。" for number in range(40))
    document = parse_document(f"# 长文\n{body}\n", "long.md", {})
    passages = cut(document, ChunkingSettings(max_chars=120))
    assert len(passages) > 5
    assert all(len(passage.text) <= 120 and passage.text.endswith("。") for passage in passages)
    assert "".join(passage.text for passage in passages) == body


def test_a_claim_stays_with_the_passage_that_makes_it(corpus: Path) -> None:
    story = next(document for document in load_corpus([corpus]).documents if document.id == "story")
    assert [passage.claims for passage in cut(story, ChunkingSettings())] == [("X-1",)]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("---\ntitle: 甲\n", 1, "没有用 --- 结束"),
        ("---\ntitle: 甲: 乙\n---\n正文。\n", 2, "YAML"),
        ("---\nauthor: 甲\n---\n正文。\n", 1, "author"),
        ("---\ndate: 2026年\n---\n正文。\n", 1, "2026-11-23"),
        ("---\nsource_type: blog\n---\n正文。\n", 1, "blog"),
        ("## 甲\n<!--\nasks: 一句\n-->\n正文。\n", 1, "列表"),
        ("## 甲\n<!--\nsources: [nowhere]\n-->\n正文。\n", 1, "nowhere"),
        ("## 甲\n<!--\nid: x\n-->\n正文。\n## 乙\n<!--\nid: x\n-->\n正文。\n", 6, "两次"),
        ("---\nclaims: {A: 没有的话}\n---\n正文。\n", 1, "找不到"),
        ("---\ntitle: 空\n---\n", 1, "没有正文"),
        ("---\n" + "[" * 5000 + "\n---\n正文。\n", 2, "YAML"),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(DocumentError) as raised:
        parse_document(text, "x.md", {})
    assert (raised.value.line, words in str(raised.value)) == (line, True)


def test_yaml_scalars_stay_what_was_typed() -> None:
    document = parse_document("---\ntitle: 0571\npublisher: 12:30:45\n---\n正文。\n", "x.md", {})
    assert (document.title, document.publisher) == ("0571", "12:30:45")


def test_one_bad_file_never_costs_the_others(corpus: Path) -> None:
    (corpus / "gbk.md").write_bytes("第一行\n借呗额度".encode("gbk"))
    (corpus / "nul.txt").write_bytes(b"a\0b")
    (corpus / "twin.md").write_text("---\nid: gone\n---\n正文。\n", encoding="utf-8")
    (corpus / "out.md").symlink_to("/etc/passwd")
    loaded = load_corpus([corpus])
    assert len(loaded.documents) == 4
    assert sorted(problem.path for problem in loaded.problems) == ["gbk.md", "nul.txt", "out.md", "twin.md"]
    assert next(problem for problem in loaded.problems if problem.path == "gbk.md").line == 1


def test_a_missing_folder_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match="找不到知识库文件夹"):
        load_corpus([tmp_path / "nowhere"])

"""The shipped cases measure something only as long as nobody has told the product their answers."""

from evals.cases import load_cases
from evals.cli import CASES_FOLDER
from knowledge.chinese_text import normalise
from knowledge.documents import load_corpus
from knowledge.indexing import other_questions
from knowledge.settings import shipped
from knowledge.wordings import shipped_wordings


def test_no_question_of_the_evaluation_is_a_known_question() -> None:
    documents = {document.id: document for document in load_corpus([shipped("corpus")]).documents}
    known = {normalise(text) for texts in shipped_wordings().values() for text in texts}
    known |= {normalise(entry.text) for entry in other_questions(shipped("lexicon") / "other_questions.tsv")}
    told = [case.id for case in load_cases(CASES_FOLDER, documents) if not case.history and normalise(case.question) in known]
    assert told == []

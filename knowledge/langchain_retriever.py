"""The retriever as a langchain BaseRetriever, so that it drops into other chains."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict

from knowledge.passages import RankedPassage
from knowledge.retriever import Retriever


class LangchainRetriever(BaseRetriever):
    """`LangchainRetriever(retriever=...)`: a query in, langchain Documents out, best first."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    retriever: Retriever

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        return [_document(ranked) for ranked in self.retriever.retrieve(query)]


def _document(ranked: RankedPassage) -> Document:
    passage = ranked.passage
    metadata: dict[str, Any] = {
        "document": passage.document_id,
        "title": passage.title,
        "heading": list(passage.headings),
        "start": passage.start,
        "end": passage.end,
        "source_type": passage.source_type,
        "publisher": passage.publisher,
        "date": passage.date,
        "score": ranked.score,
    }
    return Document(id=passage.id, page_content=passage.text, metadata=metadata)

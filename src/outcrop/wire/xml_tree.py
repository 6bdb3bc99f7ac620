"""XML as a small tree, read without any of XML's dangers. Knows nothing of shapes.

No document type (so no entities of the sender's own, nothing fetched), a depth limit, namespaces dropped.
"""

from dataclasses import dataclass, field
from xml.parsers import expat

from outcrop.domain.errors import Fault

_DEEPEST = 32
_MALFORMED = "The XML you provided was not well-formed or did not validate against our published schema."


@dataclass(slots=True)
class Element:
    """One element: local name, attributes by local name, text, children in order."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list["Element"] = field(default_factory=list)


def read_xml(raw: bytes) -> Element:
    """The root element. Raises Fault MalformedXML."""
    builder = _Builder()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = builder.refuse_document_type
    try:
        parser.Parse(raw, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise Fault("MalformedXML", _MALFORMED) from error
    return builder.root.children[0]


class _Builder:
    """Builds the tree on a stack of its own: a deep document meets the limit, not Python's."""

    def __init__(self) -> None:
        self.root = Element("")
        self._open = [self.root]

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) > _DEEPEST:
            raise Fault("MalformedXML", _MALFORMED)
        element = Element(_local(name), {_local(key): value for key, value in attributes.items()})
        self._open[-1].children.append(element)
        self._open.append(element)

    def end(self, _name: str) -> None:
        self._open.pop()

    def data(self, text: str) -> None:
        self._open[-1].text += text

    def refuse_document_type(self, *_: object) -> None:
        raise Fault("MalformedXML", _MALFORMED)


def _local(name: str) -> str:
    return name.rpartition(" ")[2]

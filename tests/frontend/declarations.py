"""What the page's scripts meet, in TypeScript's words: the values of the REST API, the page's elements by their ids.

It is made anew at every check, from the schema that the application gives and from the parts of its page.
"""

import json
import re
from html.parser import HTMLParser

_METHODS = ("get", "post", "put", "patch", "delete")
_NAMES = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def declare_api(schema, root):
    """`Api.DocumentView` for each value of an OpenAPI schema, `Api.Answers["GET /library"]` for what a route below
    `root` answers with.
    """
    views = [f"  interface {name} {_type(view)}" for name, view in schema["components"]["schemas"].items()]
    answers = [
        f"    {json.dumps(f'{method.upper()} {path.removeprefix(root)}')}: {_answer(route['responses'])};"
        for path, routes in schema["paths"].items()
        for method, route in routes.items()
        if method in _METHODS
    ]
    return "\n".join(["declare namespace Api {", *views, "  interface Answers {", *answers, "  }", "}", ""])


def _answer(responses):
    contents = next(each.get("content", {}) for status, each in responses.items() if status.startswith("2"))
    if not contents:
        return "null"
    return _type(contents["application/json"]["schema"]) if "application/json" in contents else "Blob"


def _type(schema):
    """The type of a value. All fields of an object are there: the application leaves out none."""
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if "enum" in schema or "const" in schema:
        return " | ".join(json.dumps(each) for each in schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema:
        return " | ".join(_type(each) for each in schema["anyOf"])
    if "prefixItems" in schema:
        return f"[{', '.join(_type(each) for each in schema['prefixItems'])}]"
    if schema.get("type") == "array":
        return f"({_type(schema['items'])})[]"
    if "properties" in schema:
        return f"{{ {' '.join(f'{name}: {_type(each)};' for name, each in schema['properties'].items())} }}"
    if "additionalProperties" in schema:
        return f"Record<string, {_type(schema['additionalProperties'])}>"
    return _NAMES[schema["type"]]


def declare_page(parts, frame):
    """A type for each element that has an id: of the parts of a page, or of what the code makes around them by
    `elem_id`.
    """
    found = _Ids()
    for part in parts:
        found.feed(part)
    tags = found.tags | dict.fromkeys(re.findall(r'\belem_id="([^"]+)"', frame), "div")
    elements = [f'  "{name}": HTMLElementTagNameMap["{tag}"];' for name, tag in tags.items()]
    return "\n".join(["interface PageElements {", *elements, "}", ""])


class _Ids(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = {}

    def handle_starttag(self, tag, attributes):
        if name := dict(attributes).get("id"):
            self.tags[name] = tag

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The document that libhob-web makes is one of OpenAPI 3.1, and the page is what its policy allows:
test_web_openapi.py BUILD.

The rules are those of the specification's schema for what we use, closed against anything else.
"""
import base64
import hashlib
import json
import pathlib
import re
import subprocess
import sys

BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
PROGRAM = BUILD / "tests" / "web" / "web_document"

CONTENT = {"type": "object", "minProperties": 1, "additionalProperties": {
    "type": "object", "properties": {"schema": {"type": "object"}}, "additionalProperties": False}}
PARAMETER = {
    "type": "object", "required": ["name", "in", "schema"], "additionalProperties": False,
    "properties": {"name": {"type": "string"}, "in": {"enum": ["path", "query"]}, "required": {"type": "boolean"},
                   "description": {"type": "string"}, "schema": {"type": "object"}},
    "if": {"properties": {"in": {"const": "path"}}},
    "then": {"required": ["required"], "properties": {"required": {"const": True}}}}
OPERATION = {
    "type": "object", "required": ["operationId", "responses"], "additionalProperties": False,
    "patternProperties": {"^x-": {}},
    "properties": {
        "operationId": {"type": "string", "minLength": 1}, "summary": {"type": "string"},
        "description": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}},
        "deprecated": {"type": "boolean"}, "parameters": {"type": "array", "items": PARAMETER},
        "requestBody": {"type": "object", "required": ["content"], "additionalProperties": False,
                        "properties": {"required": {"type": "boolean"}, "content": CONTENT}},
        "security": {"type": "array", "items": {"type": "object", "additionalProperties": {"type": "array"}}},
        "responses": {"type": "object", "minProperties": 1, "additionalProperties": False,
                      "patternProperties": {"^([1-5][0-9][0-9]|default)$": {
                          "type": "object", "required": ["description"], "additionalProperties": False,
                          "properties": {"description": {"type": "string"}, "content": CONTENT}}}}}}
DOCUMENT = {
    "type": "object", "required": ["openapi", "info", "paths"], "additionalProperties": False,
    "properties": {
        "openapi": {"type": "string", "pattern": r"^3\.1\.\d+$"},
        "info": {"type": "object", "required": ["title", "version"], "additionalProperties": False,
                 "properties": {"title": {"type": "string"}, "version": {"type": "string"},
                                "description": {"type": "string"}}},
        "paths": {"type": "object", "additionalProperties": False, "patternProperties": {"^/": {
            "type": "object", "additionalProperties": False, "patternProperties": {
                "^(get|put|post|delete|options|head|patch|trace)$": OPERATION}}}},
        "components": {"type": "object", "additionalProperties": False, "properties": {
            "schemas": {"type": "object", "propertyNames": {"pattern": r"^[a-zA-Z0-9._-]+$"},
                        "additionalProperties": {"type": "object"}},
            "securitySchemes": {"type": "object", "additionalProperties": {
                "type": "object", "required": ["type", "scheme"],
                "properties": {"type": {"const": "http"}, "scheme": {"enum": ["basic", "bearer"]}}}}}}}}


def call(target):
    done = subprocess.run([PROGRAM, target], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise SystemExit(f"{target}: {done.stderr}")
    return done.stdout


def references(value):
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for part in value.values():
            yield from references(part)
    elif isinstance(value, list):
        for part in value:
            yield from references(part)


def schemas_in(document):
    yield from document["components"]["schemas"].values()
    for item in document["paths"].values():
        for operation in item.values():
            for parameter in operation.get("parameters", []):
                yield parameter["schema"]


def is_a_document_of_openapi(document):
    import jsonschema
    jsonschema.Draft202012Validator(DOCUMENT).validate(document)
    for schema in schemas_in(document):
        jsonschema.Draft202012Validator.check_schema(schema)


def refers_to_what_is_there(document):
    found = list(references(document))
    assert found
    for reference in found:
        at = document
        for key in reference.removeprefix("#/").split("/"):
            at = at[key]


def names_each_parameter_of_a_path(document):
    ids = []
    for path, item in document["paths"].items():
        for operation in item.values():
            ids.append(operation["operationId"])
            declared = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            assert declared == set(re.findall(r"\{([^}]*)\}", path)), path
            for one in operation.get("security", []):
                assert set(one) <= set(document["components"]["securitySchemes"])
    assert len(ids) == len(set(ids)) and len(ids) == 5, ids


def tells_what_the_tables_say(document):
    parameters = {p["name"]: p for p in document["paths"]["/items"]["get"]["parameters"]}
    assert parameters["page"]["schema"] == {
        "type": "integer", "format": "int32", "minimum": 1, "maximum": 100, "default": 1}, parameters
    assert "required" not in parameters["page"]
    assert parameters["tag"]["schema"]["type"] == "array"
    item = document["components"]["schemas"]["Item"]
    assert item["properties"]["id"]["readOnly"] is True
    assert item["properties"]["name"]["maxLength"] == 20
    post = document["paths"]["/items"]["post"]
    assert post["responses"]["201"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Item"}
    assert set(post["responses"]) == {"201", "422", "default"}, post["responses"]


def page_is_what_its_policy_allows(page):
    policy, _, text = page.partition("\n")
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        inside = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert len(inside) == 1
        digest = base64.b64encode(hashlib.sha256(inside[0].encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy, policy
    assert not re.search(r"https?://(?!example\.org)", text)
    assert not re.search(r"\son[a-z]+=", text)  # no handlers in attributes: the policy forbids them


def main():
    try:
        import jsonschema  # noqa: F401
    except ImportError:
        print("skipped: web: no python3-jsonschema")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    document = json.loads(call("/openapi.json"))
    passed = failed = 0
    for test, what in ((is_a_document_of_openapi, document), (refers_to_what_is_there, document),
                       (names_each_parameter_of_a_path, document), (tells_what_the_tables_say, document),
                       (page_is_what_its_policy_allows, call("/docs"))):
        try:
            test(what)
            passed += 1
        except Exception as error:  # whatever it is, it is told
            failed += 1
            print(f"FAILED: web: {test.__name__}: {type(error).__name__}: {error}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())

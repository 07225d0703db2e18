"""The configuration that is about to be applied."""

import pytest

from conformance.configuration import documents_of, read_desired
from conformance.documents import InvalidDocument
from conformance.reads import desired

TWO = """\
---
# a comment only
---
apiVersion: example.com/v1
kind: Cluster
metadata: {name: a, namespace: n}
spec: {x: 1, y: 1.10, secret: s}
---
apiVersion: v1
kind: Cluster
metadata: {name: core}
---
apiVersion: v1
kind: List
items:
- {apiVersion: example.com/v1beta1, kind: Cluster, metadata: {name: b}, spec: {x: 2}}
- not an object
"""


@pytest.fixture
def write(tmp_path):
    def writer(text, name="d.yaml"):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / name

    return writer


def test_every_document_and_every_item_of_a_list(write):
    assert [one["metadata"]["name"] for one in documents_of(write(TWO))] == ["a", "core", "b"]
    assert documents_of(write("")) == []
    assert documents_of(write('{"kind": "X"}')) == [{"kind": "X"}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "not valid YAML in line"),
        ("a: {\n}}", "not valid YAML in line 2"),
        ("- a\n", "expected documents of keys and values, not list"),
        ("word", "expected documents of keys and values, not str"),
        (b"\xff\xfe\xff", "not valid YAML"),
        ("a: !!int x", "not valid YAML"),
        ("a: !!timestamp x", "not valid YAML"),
        ("a: !!bool x", "not valid YAML"),
        ("? [a]\n: b", "not valid YAML"),
        ("? {a: b}\n: b", "not valid YAML"),
        ("a: " + "[" * 400, "not valid YAML"),
    ],
)
def test_a_file_that_is_wrong(write, text, said):
    path = write(text)
    with pytest.raises(InvalidDocument) as caught:
        documents_of(path)
    assert str(caught.value).startswith(f"--desired {path}: ")
    assert said in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InvalidDocument, match="cannot be read: No such file"):
        documents_of(tmp_path / "none.yaml")


def test_documents_of_a_kind_and_group_are_kept_as_facts_need_them(write):
    reads = [
        desired("Cluster", "example.com", "spec.x"),
        desired("Cluster", "example.com", "spec.y"),
        desired("Cluster"),
        desired("Pod"),
    ]
    answers = read_desired(
        [write(TWO), write("apiVersion: example.com/v2\nkind: Cluster\nmetadata: {name: c}\n", "more.yaml")], reads
    )
    found = reads[0].extract(answers["desired Cluster.example.com"])
    assert found == [
        {"metadata": {"name": "a", "namespace": "n"}, "spec": {"x": 1, "y": 1.10}},
        {"metadata": {"name": "b"}, "spec": {"x": 2}},
        {"metadata": {"name": "c"}},
    ]
    assert reads[1].extract(answers["desired Cluster.example.com"]) == found
    assert [one["metadata"]["name"] for one in reads[2].extract(answers["desired Cluster"])] == ["core"]
    assert reads[3].extract(answers["desired Pod"]) == []


def test_none_given_is_not_none_of_the_kind():
    answers = read_desired([], [desired("Pod")])
    assert desired("Pod").extract(answers["desired Pod"]) is None

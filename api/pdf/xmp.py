"""What a PDF says of itself beyond WeasyPrint's own words: PDF/UA-1, and Factur-X where it is one.

PDF/A wants every property of a schema that is not its own described (ISO 19005-3, 6.6.2.3).
"""

from __future__ import annotations

from typing import Final

_UA: Final = """
<rdf:Description rdf:about="" xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/">
<pdfuaid:part>1</pdfuaid:part></rdf:Description>
"""
_FACTUR_X: Final = """
<rdf:Description rdf:about="" xmlns:fx="urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#">
<fx:DocumentType>INVOICE</fx:DocumentType>
<fx:DocumentFileName>factur-x.xml</fx:DocumentFileName>
<fx:Version>1.0</fx:Version>
<fx:ConformanceLevel>EN 16931</fx:ConformanceLevel></rdf:Description>
"""
_EXTENSIONS: Final = """
<rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"
 xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#"
 xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">
<pdfaExtension:schemas><rdf:Bag>{schemas}</rdf:Bag></pdfaExtension:schemas></rdf:Description>
"""
_SCHEMA: Final = """
<rdf:li rdf:parseType="Resource"><pdfaSchema:schema>{name}</pdfaSchema:schema>
<pdfaSchema:namespaceURI>{uri}</pdfaSchema:namespaceURI>
<pdfaSchema:prefix>{prefix}</pdfaSchema:prefix>
<pdfaSchema:property><rdf:Seq>{properties}</rdf:Seq></pdfaSchema:property></rdf:li>
"""
_PROPERTY: Final = """
<rdf:li rdf:parseType="Resource"><pdfaProperty:name>{name}</pdfaProperty:name>
<pdfaProperty:valueType>{type}</pdfaProperty:valueType>
<pdfaProperty:category>{category}</pdfaProperty:category>
<pdfaProperty:description>{about}</pdfaProperty:description></rdf:li>
"""


def added_metadata(*, e_invoice: bool) -> bytes:
    """RDF descriptions to go into the one `rdf:RDF` of the metadata."""
    ua = _schema(
        "PDF/UA identification schema",
        "http://www.aiim.org/pdfua/ns/id/",
        "pdfuaid",
        _property("part", "Part of ISO 14289", "Integer", "internal"),
    )
    if not e_invoice:
        return (_UA + _EXTENSIONS.format(schemas=ua)).encode()
    factur_x = _schema(
        "Factur-X PDFA Extension Schema",
        "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#",
        "fx",
        _property("DocumentFileName", "name of the embedded XML invoice file")
        + _property("DocumentType", "INVOICE")
        + _property("Version", "version of the XML schema")
        + _property("ConformanceLevel", "conformance level of the XML"),
    )
    return (_UA + _FACTUR_X + _EXTENSIONS.format(schemas=ua + factur_x)).encode()


def _schema(name: str, uri: str, prefix: str, properties: str) -> str:
    return _SCHEMA.format(name=name, uri=uri, prefix=prefix, properties=properties)


def _property(name: str, about: str, type: str = "Text", category: str = "external") -> str:
    return _PROPERTY.format(name=name, type=type, category=category, about=about)

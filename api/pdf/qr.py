"""What a banking app scans: an EPC QR code (EPC069-12), for euros to an IBAN."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import segno.helpers
from stdnum import iso11649


def transfer_qr(document: dict[str, Any]) -> str | None:
    """The code as an SVG data URL; None where there can be none.

    A reference after ISO 11649 goes in as a structured one.
    """
    transfer = document.get("transfer")
    if not transfer or not transfer["iban"] or document["currency"] != "EUR":
        return None
    quoted = transfer["reference"]
    structured = iso11649.is_valid(quoted)
    kind, quoted = ("reference", iso11649.compact(quoted)) if structured else ("text", quoted)
    try:
        code = segno.helpers.make_epc_qr(
            name=transfer["beneficiary"],
            iban="".join(transfer["account_number"].split()),
            amount=Decimal(transfer["amount"]).scaleb(-document["decimals"]),
            bic=transfer["bic"],
            **{kind: quoted},
        )
    except ValueError:  # a name or an amount beyond what the code can carry
        return None
    url: str = code.svg_data_uri(scale=4, border=0, light="#ffffff", dark="#0f172a")
    return url

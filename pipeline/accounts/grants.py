"""Downloads that had ended and were made available again."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from pipeline.accounts.audit import note
from pipeline.accounts.database import InDatabase, upsert
from pipeline.accounts.tables import GRANTS


class Grants(InDatabase):
    """Until when downloads of uploads are available again."""

    def reopen(
        self, upload_id: str, until: datetime, by: str, institution: str | None = None
    ) -> None:
        """Make an upload's downloads available until a moment; ``by`` is ``Who.id``. Audited."""
        now = self._database.clock()
        row = {"upload_id": upload_id, "until": until, "granted_at": now, "granted_by": by}
        with self._database.writing() as at:
            upsert(at, GRANTS, row)
            note(at, now, by, "download.reopened", upload_id, institution,
                 {"until": until.isoformat(timespec="seconds")})  # fmt: skip

    def reopened_until(self, upload_id: str) -> datetime | None:
        """Until when they are available again; ``None`` if nobody asked for it."""
        with self._database.reading() as at:
            found: datetime | None = at.execute(
                select(GRANTS.c.until).where(GRANTS.c.upload_id == upload_id)
            ).scalar_one_or_none()
        return found

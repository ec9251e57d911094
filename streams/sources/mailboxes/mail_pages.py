"""Makes payloads of the mails that are found in folders: statements of the contacts that they belong to."""

from collections.abc import Iterable, Iterator

import orjson

from streams.sources.accounts import Account
from streams.sources.adapter import AccountRules, Payload, UnmappableError
from streams.sources.backfill.pages import VendorPayload
from streams.sources.following.follower import FollowError
from streams.sources.mailboxes.folders import FolderName, FoundMail, Mailbox
from streams.sources.mailboxes.imap import ImapMailbox, ImapServer
from streams.sources.mailboxes.maildir import Maildir
from streams.sources.vendors.email.mails import FOLDER, INTERNAL_DATE, KIND, Mail, Uncounted, read_mail
from streams.sources.vendors.email.statements import Statement

#: The adapter's form of all payloads.
FORM = "thread"


def mailbox_of(account: Account) -> Mailbox:
    """Return the mailbox that an account names. Raises FollowError."""
    entry = account.entry
    folders, sent = tuple(entry.folders), tuple(entry.sent_folders)
    if entry.url_imap is not None:
        if entry.user is None or not account.password.get_secret_value():
            raise FollowError(f"{account.path} lacks `user`, or `password_env`: set them in sources.toml")
        return ImapMailbox(ImapServer(entry.url_imap, entry.user, account.password), folders, sent)
    if entry.path is None:
        raise FollowError(f"{account.path} has neither `url_imap` nor `path`: set one in sources.toml")
    return Maildir(account.folder / entry.path, folders, sent)


def read_found(
    found: Iterable[FoundMail], folder: FolderName, rules: AccountRules
) -> Iterator[Mail | Uncounted | VendorPayload]:
    """Read mails; one that cannot be read gives the payload that is refused, which names nobody."""
    for each in found:
        headers = {KIND: "sent" if folder.sent else "incoming", FOLDER: folder.name, INTERNAL_DATE: each.internal_date}
        try:
            yield read_mail(Payload(each.header, headers), rules)
        except UnmappableError as error:
            refused = {"refused": {"field": error.field, "problem": error.problem}}
            yield VendorPayload(FORM, orjson.dumps(refused), f"{folder.name} {each.where}")


def payload_of(statement: Statement, where: str = "") -> VendorPayload:
    """Write a statement as a payload."""
    return VendorPayload(FORM, orjson.dumps(statement.as_json()), where)

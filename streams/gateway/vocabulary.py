"""The words that may be shown of a payload: those of its adapter's own code, and those that fields are called by.

What is no such word may be somebody's name, so nothing is guessed: a word that is missing here costs a reader of
captured payloads a field's name, a word too much could cost a customer their privacy. No first name is among them.
"""

import ast
import inspect
import re
from typing import Final

from streams.sources.adapter import Adapter

_WORDS: Final = """
    a abandon abandoned abandons accept accepted account accounts action actions active activities activity actor actual
    add added additional address addresses admin after agent agents agentless alert alerting all an and answer answered
    api app application archive archived arn array article articles assign assigned assignee assignees assignment
    assignments at attachment attachments attempt attempts attribute attributes audit author automatic automation
    availability available average away bcc before begin body bot bots brand brands browser bulk business busy by call
    callback called caller callid campaign cancel canceled cancelled capacity cc center change changed changes channel
    channels chat chats child chunk city client close closed code comment comments company complete completed condition
    conditions conference config connect connected connection contact contacts content context conversation
    conversations count country create created created_at csat current cursor custom customer customers data date day
    days default delay deleted delivered delivery department description detail details device dialed dialing direction
    disconnect disconnected display domain draft dropped due duration durations edit edited element email emails enabled
    encrypted end ended ends enqueue enqueued enter entered entry error errors escalated event events expired expires
    extension external facebook failed false field fields file filename files first flow folder follow followers for
    format forward forwarded free from full fullname global group groups handle handled handoff hangup has header
    headers height high hold holds hook host hours html http https id identifier identities identity ids image in
    inbound inbox inboxes incident incoming index info initial initiated initiation inner input instance int integer
    interaction internal interval into ip is item items ivr join joined json key keys kind label labels language last
    latest leave left legacy length level line link links list locale location locked log login logout low mail mailbox
    media member members mentions merge merged message messages meta metadata method metric mime minutes missed mobile
    mode modified moved ms name names native new next nickname no none normal note notes notification null num number
    object of offered offline offset on one online only open opened operator option options order organization
    organizations origin original other outbound outcome outgoing out outside owner page parameters params parent part
    participant participants parts party passed path pause paused payload pending percent period person personal phone
    photo picture pin ping platform position post preferred presence previous primary priorities priority private
    problem product profile progress properties property provider public published push query question queue queued
    queues rating ratings raw read ready reason recipient recipients record records recording redacted ref reference
    region rejected related relation remote removed reopen reopened replied replies reply report request requester
    requests required reservation reserved resolution resolve resolved resource resources response responses result
    resumed retries retry return ring ringing role room rooms rule rules satisfaction scale scheduled score seconds
    section security segment segments send sender sent sequence server service session sessions severity shared side
    sid signed site size skill skills skipped sla slot slug snapshot sms snooze snoozed social solved source spam speak
    stage start started starts state statistics stats status step stop stopped stream street string subject
    submitted subscription success suffix summary support survey system tag tags talk target task tasks team teams
    template tenant terminal test text thread threads ticket tickets time timeout times timestamp timezone title to
    token topic total trace transcript transfer transferred transfers tree trigger triggers true type types unassigned
    unit unread until update updated updated_at upload urgent uri url urls user username users utc uuid value values
    variant version via video view visitor visitors voice voicemail wait waited waiting warning web webhook website
    week weight whatsapp when widget width work worker workflow workspace wrap wrapped wrapup x xml year yes zip zone
"""
_MEASURES: Final = """
    attempt attempts average capacity count delay duration hold holds hours index interval length level minutes ms
    offset position priority rating retries score scale seconds sequence size status state talk timeout total type
    version wait waiting work
"""
_TIMES: Final = "at date end ended enqueued expires start started since time timestamp until updated"
_PERSONAL: Final = """
    address body city comment company content description email fullname mail mobile name nickname phone street subject
    summary text title token topic transcript username
"""
#: Of fields, states and kinds in the payloads of help desks and telephone systems.
WORDS: Final = frozenset(_WORDS.split())
#: In the names of fields whose numbers count, measure or rank.
MEASURES: Final = frozenset(_MEASURES.split())
#: In the names of fields that hold a time.
TIMES: Final = frozenset(_TIMES.split())
#: At the end of the names of fields that hold what somebody is called or has written: none of their texts is shown.
PERSONAL: Final = frozenset(_PERSONAL.split())

_HUMPS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^A-Za-z0-9_.:\-/$@ ]+")
_CODE_WORD: Final = re.compile(r"[A-Za-z0-9_.:/\-]{1,80}")


def words_of(name: str) -> list[str]:
    """Split a name into its words in small letters: at marks, digits and capitals."""
    return [word.lower() for word in _HUMPS.findall(name)]


def code_words(adapter: Adapter) -> frozenset[str]:
    """Give the texts in an adapter's code that can be a field or a state, in small letters, and the steps of paths."""
    found: set[str] = set()
    for module in {inspect.getmodule(form) for form in adapter.forms.values()}:
        try:
            tree = ast.parse(inspect.getsource(module)) if module is not None else ast.Module([], [])
        except (OSError, TypeError):  # there is no source beside the code
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _CODE_WORD.fullmatch(node.value):
                found |= {node.value.lower(), *node.value.lower().split(".")}
    return frozenset(found)

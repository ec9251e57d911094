"""The words that may be shown of a payload: those in its adapter's code, and common names of fields.

Any other word may be somebody's name. If a word is missing here, a reader of captured payloads only lacks the name of a
field; a word too many could show a person's name. So no first name is among them.
"""

import ast
import inspect
import re
from typing import Final

from streams.sources.adapter import Adapter

_WORDS: Final = """
    a abandon abandoned abandonment abandons accept accepted account accounts acd action actions active activities
    activity actor actual acw add added additional address addresses admin after aged agent agentless agents
    aggregated alert alerting alive all allowed an and ani answer answered any api app application archive archived
    arn array article articles assign assigned assignee assignees assignment assignments at attachment attachments
    attempt attempts attribute attributes audit auth author automatic automation autosuggest autosuggested
    availability available avatar average away bcc before begin blocked body bot bots bounce brand brands browser
    bulk business busy by call callback called callee caller callid calls campaign can cancel canceled cancelled
    capacity cause cc center centre change changed changes channel channels chat chatbot chats child chosen chunk
    city class cleared clicked client close closed code codec comment comments company complete completed condition
    conditions conference config connect connected connection contact contacts content context conversation
    conversations cost count counter country create created created_at csat current cursor custom customer customers
    data date day days deadline decision default delay deleted delivered delivery department dequeue dequeued
    description destination detail details device dialed dialing diff digest direction disconnect disconnected
    disconnection display dnis domain draft dropped dtmf due duration durations echo edit edited element email
    emails enabled encrypted end ended ends engaged enqueue enqueued enter entered entry error errors escalated
    escalation estimated event events exclude expired expires extension external facebook failed false feedback
    field fields file filename files finished first five flow folder follow followers for format forms forward
    forwarded four free from full fullname gateway global greeting group groups handle handled handling handoff
    hangup has header headers heartbeat height high history hold holding holds hook host hours html http https id
    identifier identities identity idle ids image in inactive inbound inbox inboxes incident include included
    incoming index info initial initiated initiation inner input inserted installation instance int integer interact
    interaction internal interval into invitation invited ip is item items ivr join joined joins json key keys
    kicked kind known label labels language last latest leave left legacy length level limit line link links list
    listening locale location locked log logged login logout lost low mail mailbox mapped marked measured media
    member members mentions menu merge merged message messages meta metadata method metric mime minutes missed
    missing mobile mode moderated modified module moved ms multi music mute muted name names native new next
    nickname no noanswer node none normal note notes notification notified null num number object of offered offline
    offset on one ongoing online only open opened opening operator option options order organization organizations
    origin original other out outbound outcome outgoing outside overflow owned owner page parameters params parent
    part participant participants partition parts party passed path pause paused payload peer pending percent period
    person personal phone photo picked pickup picture pin ping placed platform policy portal position post
    preferences preferred prefix presence presences presented previous primary priorities priority private problem
    product profile profiles progress properties property provider public published pubsub purged push query
    question queue queued queueing queues quick quota rated rating ratings raw reached read ready reason reassigned
    received recipient recipients record recording records redacted redirect ref reference refused region rejected
    rejoin related relation released relevant remote removed reopen reopened replaced replied replies reply report
    reporting request requester requests requeue required rescheduled reservation reservations reserved resolution
    resolve resolved resolver resource resources response responses restored result resume resumed retries retry
    return revision ring ringing role room rooms route routed routing rule rules sampled satisfaction satisfied
    scale scheduled scope score search seconds section security seen segment segments selected send sender sensitive
    sent sentiment sequence server service session sessions severity shared shift shortcut sid side sidebar signed
    since site size skill skills skipped sla slot slug sms snapshot snooze snoozed social solved source spam speak
    spent split staff stage standard start started starting starts state statistics stats status step stop stopped
    stream streams street string subject submitted subscription success suffix summary support survey suspended
    switch synced system tag tags talk target task tasks team teams technical template temporary tenant terminal
    terminated test text thirdparty thread threads thumbnail ticket tickets tier time timeout times timestamp
    timezone title to token topic total touched trace tracked transcript transfer transferred transfers trashed tree
    trial trigger triggers true two type types typing unassigned unavailable unhold unique unit unknown unpaused
    unread unresolved unsnoozed until update updated updated_at upload urgency urgent uri url urls used user
    username users utc uuid valid value values variant verified version via video view visitor visitors voice
    voicebot voicemail wait waited waiting waits warm warning web webhook website week weight whatsapp when widget
    widgets width work worker workflow workspace wrap wrapped wrapping wrapup written x xml year yes zen zip zone
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

"""What the handset shows: the messages that the simulator delivered."""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime

from msgspec.structs import replace

from kaskad.core.model import ChannelType, ReportKind, Value

MOST_MESSAGES = 1000

Answered = Callable[[str, int, ReportKind, str], None]


class Delivered(Value, frozen=True, kw_only=True):
    """One message as a phone shows it."""

    id: str
    type: ChannelType
    label: str
    recipient: str
    text: str
    code: str | None
    caller_id: str | None
    session: str
    launch: int
    at: datetime
    answer: str | None = None

    def __repr__(self) -> str:
        return f"Delivered(id={self.id!r}, type={self.type!r}, session={self.session!r})"


class Inbox:
    """The newest messages of every simulated phone of this process."""

    def __init__(self) -> None:
        self._messages: OrderedDict[str, Delivered] = OrderedDict()
        self._answered: dict[str, Answered] = {}
        self._readers: set[Callable[[Delivered], None]] = set()

    def put(self, message: Delivered, answered: Answered | None = None) -> None:
        """Show a message; ``answered`` hears what the person does with a push."""
        self._messages[message.id] = message
        if answered is not None:
            self._answered[message.id] = answered
        while len(self._messages) > MOST_MESSAGES:
            oldest, _ = self._messages.popitem(last=False)
            self._answered.pop(oldest, None)
        self._tell(message)

    def messages(self, recipient: str | None = None) -> list[Delivered]:
        """What is shown, oldest first."""
        return [m for m in self._messages.values() if recipient is None or m.recipient == recipient]

    def answer(self, message_id: str, kind: ReportKind) -> bool:
        """Confirm or decline a push; ``False`` when there is nothing to answer."""
        answered = self._answered.pop(message_id, None)
        message = self._messages.get(message_id)
        if answered is None or message is None:
            return False
        answered(message.session, message.launch, kind, "answered on the handset")
        word = "confirm" if kind is ReportKind.CONFIRMED else "decline"
        self.mark(message_id, word)
        return True

    def mark(self, message_id: str, word: str) -> bool:
        """Show how a push was answered; ``False`` when the person was faster."""
        message = self._messages.get(message_id)
        if message is None:
            return True
        if message.answer is not None:
            return False
        self._messages[message_id] = replace(message, answer=word)
        self._answered.pop(message_id, None)
        self._tell(self._messages[message_id])
        return True

    def subscribe(self, reader: Callable[[Delivered], None]) -> Callable[[], None]:
        """Hear of each new or changed message; returns how to stop."""
        self._readers.add(reader)
        return lambda: self._readers.discard(reader)

    def _tell(self, message: Delivered) -> None:
        for reader in list(self._readers):
            reader(message)

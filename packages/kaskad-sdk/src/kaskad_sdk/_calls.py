"""The calls of both clients, as flows: what each asks, what it may repeat, what it returns."""

from collections import OrderedDict
from typing import Final

from kaskad_sdk import _wire
from kaskad_sdk._flow import Again, Flow, Flows
from kaskad_sdk.models import Channel, SendData, StatusData, WidgetData

REMEMBERED: Final = 10_000


class Calls:
    """Everything that a client may ask of the service."""

    def __init__(self, api: _wire.Api, flows: Flows) -> None:
        self.api = api
        self.flows = flows
        self._recipients: OrderedDict[str, str] = OrderedDict()

    def recipient(self, request_id: str, given: str | None) -> str:
        """The number that a call names, or the one of this client's own send."""
        found = self.known_recipient(request_id, given)
        if found is None:
            raise ValueError("this client did not send to it: name the recipient")
        return found

    def known_recipient(self, request_id: str, given: str | None) -> str | None:
        """The same, if there is one."""
        return given or self._recipients.get(str(request_id))  # it may be a UUID, or anything

    def widget(self, widget_id: str, user_ip: str | None) -> Flow[WidgetData]:
        """``getWidget``; whether a captcha is needed depends on the person's address."""
        request = self.api.get(_wire.widget_path(widget_id) + _wire.query(userIp=user_ip))
        return _wire.widget_data((yield from self.flows.call(request, Again.SAFE)))

    def send(
        self, widget_id: str, recipient: str, *, key: str | None, **more: str | None
    ) -> Flow[SendData]:
        """``send``; with a key that stays the same, however often it is asked."""
        key = self.flows.machine.new_id() if key is None else key
        body = {"widgetId": _wire.plain(widget_id), "recipient": recipient}
        body |= {name: text for name, text in more.items() if text is not None}
        request = self.api.post("/", body, key=key)
        answer = yield from self.flows.call(request, Again.SAFE if key else Again.NEVER)
        sent = _wire.send_data(answer)
        self._remember(sent.request_id, sent.recipient or recipient)
        return sent

    def _remember(self, request_id: str, recipient: str) -> None:
        self._recipients[request_id] = recipient
        if len(self._recipients) > REMEMBERED:
            self._recipients.popitem(last=False)

    def channel(self, request_id: str) -> Flow[Channel]:
        """``getChannel``."""
        request = self.api.get(_wire.session_path(request_id, "channel"))
        return _wire.channel((yield from self.flows.call(request, Again.SAFE, request_id)))

    def selected(
        self, request_id: str, timeout_s: float | None, since: int | None
    ) -> Flow[Channel]:
        """``getChannelLongPolling``, until the message has left."""
        deadline = self.flows.deadline(timeout_s)
        return (yield from self.flows.selected(self.api, request_id, deadline, since))

    def status(self, request_id: str, recipient: str | None) -> Flow[StatusData]:
        """``getStatus``."""
        asked = _wire.query(recipient=self.recipient(request_id, recipient))
        request = self.api.get(_wire.session_path(request_id, "status") + asked)
        return _wire.status_data((yield from self.flows.call(request, Again.SAFE, request_id)))

    def confirmed(
        self, request_id: str, recipient: str | None, timeout_s: float | None
    ) -> Flow[StatusData]:
        """``getStatusLongPolling``, until the number is proven."""
        number = self.recipient(request_id, recipient)
        deadline = self.flows.deadline(timeout_s)
        return (yield from self.flows.confirmed(self.api, request_id, number, deadline))

    def verify(self, request_id: str, code: str) -> Flow[StatusData]:
        """``checkCode``: once and never again, for each costs an attempt."""
        request = self.api.post(_wire.session_path(request_id, "checkCode"), {"code": code})
        return _wire.status_data((yield from self.flows.call(request, Again.NEVER, request_id)))

    def collect(self, request_id: str, recipient: str, widget_id: str | None) -> Flow[StatusData]:
        """``checkStatusAndComplete``: the one yes may be in an answer that was lost."""
        asked = _wire.query(recipient=recipient, widgetId=widget_id)
        path = _wire.session_path(request_id, "checkStatusAndComplete") + asked
        return (yield from self._act(path, request_id))

    def complete(self, request_id: str, recipient: str | None) -> Flow[StatusData]:
        """``complete``."""
        path = _wire.session_path(request_id, "complete") + _wire.query(recipient=recipient)
        return (yield from self._act(path, request_id))

    def cancel(self, request_id: str) -> Flow[StatusData]:
        """``cancel``."""
        return (yield from self._act(_wire.session_path(request_id, "cancel"), request_id))

    def _act(self, path: str, request_id: str) -> Flow[StatusData]:
        answer = yield from self.flows.call(self.api.post(path), Again.UNSENT, request_id)
        return _wire.status_data(answer)

    def resend(self, request_id: str, *, another_way: bool, key: str | None) -> Flow[StatusData]:
        """``resend``."""
        key = self.flows.machine.new_id() if key is None else key
        body = {"next": True} if another_way else None
        request = self.api.post(_wire.session_path(request_id, "resend"), body, key=key)
        again = Again.SAFE if key else Again.NEVER
        return _wire.status_data((yield from self.flows.call(request, again, request_id)))

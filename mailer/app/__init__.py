"""The composition root: settings → App. The only room that knows every part, and the only one with a clock."""

from mailer.app.app import App
from mailer.app.base import Tell, fixed_clock, mailbox_of, system_clock
from mailer.app.stopping import stop_on_signals
from mailer.cluster.processes import affordable

__all__ = ["App", "Tell", "affordable", "fixed_clock", "mailbox_of", "stop_on_signals", "system_clock"]

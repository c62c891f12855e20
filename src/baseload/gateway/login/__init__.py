"""How attempts are signed in at their targets.

    Login        gives the header lines of one attempt, at once, or says that the credential is dead
    Call         what is signed: method, path with query, host, body
    Source       fetches a credential from where it comes from; blocks, so only a thread calls it
    Renewal      holds what a source gave, and asks again before it expires
    Clock        this machine's clock, corrected by the dates of the servers that judge our signatures
    Logins       the logins of all targets; equal descriptions share one

A request never waits here: `header_lines` reads what the renewal's thread left. The thread fetches when it
is started, then at three quarters of a credential's life (ten minutes before its end, where that is later), a
little earlier by chance so that many gateways do not ask at once. If that fails the old one stays to its own
end, the next try comes after a backoff, and the log says so each time. Without one that holds, `fresh` is
false and `header_lines` raises the fault `upstream_credentials`.

| module | holds |
|---|---|
| `nouns` | Call, Login, Source, what went wrong |
| `fetch` | one bounded HTTP exchange with a token endpoint |
| `clock` | the corrected clock |
| `renewal` | when to ask, what to keep, the thread |
| `static` | lasting keys, by the header that carries them |
| `bearer` | access tokens: the login of Entra and Google |
| `entra`, `google` | their sources |
| `assertion` | signed statements of who we are (JWT) |
| `aws`, `aws_keys`, `sts` | requests signed by AWS keys, where keys come from, roles |
| `book` | Logins |

docs/credentials.md says the same to operators.
"""

from baseload.gateway.login.book import Logins, login_of
from baseload.gateway.login.nouns import Call, Login, LoginFailed
from baseload.gateway.login.static import KeyHeader

__all__ = ["Call", "KeyHeader", "Login", "LoginFailed", "Logins", "login_of"]

"""The files of the dashboard: its style and scripts, and the libraries of others, as published.

They are served from here: not every project serves static files while it is developed, and one that
serves them from another host would need a weaker policy. An address names the content, so that a
browser keeps it for good and never has an old one beside a new page.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

FOLDER = Path(__file__).parent / "assets"
CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
# The versions of what others have written; their licences lie beside them.
VENDORED = {
    "uplot.js": "vendor/uplot-1.6.32.min.js",
    "uplot.css": "vendor/uplot-1.6.32.min.css",
    "cytoscape.js": "vendor/cytoscape-3.35.0.min.js",
    "dagre.js": "vendor/cytoscape-dagre-4.0.1.min.js",
}


@require_safe
def asset(request: HttpRequest, digest: str, name: str) -> HttpResponse:
    """A file; anybody may read what anybody may download from the package index."""
    found = _files().get(name)
    if found is None or digest != found[0]:
        raise Http404(f"There is no {name}.")
    answer = HttpResponse(found[1], content_type=f"{_TYPES[Path(name).suffix]}; charset=utf-8")
    answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


def address_of(name: str) -> str:
    """The address of a file. Raises KeyError where there is none."""
    return reverse("kck_publish_dashboard:asset", args=[_files()[name][0], name])


@cache
def _files() -> dict[str, tuple[str, bytes]]:
    """All of them, each with the digest of its content: some 700 kB, once a process."""
    own = {path.name: path for path in FOLDER.iterdir() if path.suffix in _TYPES}
    paths = own | {name: FOLDER / path for name, path in VENDORED.items()}
    bodies = {name: path.read_bytes() for name, path in paths.items()}
    return {name: (hashlib.sha256(body).hexdigest()[:16], body) for name, body in bodies.items()}

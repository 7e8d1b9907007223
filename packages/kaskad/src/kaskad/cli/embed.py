"""``kaskad embed``."""

from typing import Annotated

import typer

from kaskad.cli.commands import ConfigOption, TenantOption, app, read, tenant_of
from kaskad.cli.serve import operator_lines

HEADS = {
    "script": "One script and a container, for any page",
    "element": "The element; the file can only be this one",
    "module": "The element from its stable address: follows an upgrade by itself",
}


@app.command()
def embed(
    widget: Annotated[
        str | None,
        typer.Option("--widget", metavar="ID", help="Which; without it the only one there is."),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option("--url", metavar="ADDRESS", help="Where pages find the service."),
    ] = None,
    locale: Annotated[
        str | None, typer.Option("--locale", metavar="NAME", help="The language, such as en.")
    ] = None,
    tenant: TenantOption = None,
    config: ConfigOption = None,
) -> None:
    """Print what to copy into a page, with the hash that holds the script to this version."""
    from kaskad.config import OperatorError, forms, load_server
    from kaskad.http.widget.built import BUILD, Built
    from kaskad.http.widget.embed import Embedding
    from kaskad.running import address_of, find_widget

    settings = load_server(config)
    with operator_lines():
        found = find_widget(settings, tenant_of(tenant, config), widget)
    built = Built.carried()
    if not built:
        raise OperatorError([f"the widget is not built; in the folder of the source: {BUILD}"])
    base = read(str, forms.PUBLIC_URL, "--url", url) if url else address_of(settings)
    embedding = Embedding(built=built, base=base)
    look = {"locale": read(str, forms.LOCALE, "--locale", locale)} if locale else {}
    parts = [f"<!-- {HEADS[s.name]} -->\n{s.text}" for s in embedding.snippets(found.id, look)]
    typer.echo("\n\n".join(parts))
    if not found.allowed_origins:
        typer.echo(
            f"warning: widget {found.id} ({found.name}) is refused to every page yet: give it the"
            ' origin of yours, such as allowed_origins = ["https://shop.example"], in the'
            " configuration's [[widgets]], then `kaskad apply`",
            err=True,
        )

"""What Airflow loads: where the page stands, and the app, which is imported only when an API server asks for it."""

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

URL_PREFIX = "/market"


class MarketPlugin(AirflowPlugin):
    """The Market page, in Airflow's navigation."""

    name = "market"
    # Without a leading slash: right below any base_url. The end slash: /market itself is Airflow's own page.
    external_views = [  # noqa: RUF012  Airflow reads it of the class
        {
            "name": "Market",
            "href": "market/",
            "destination": "nav",
            "url_route": "market",
            "nav_top_level": True,
            "icon": "market/static/icon.svg",
            "icon_dark_mode": "market/static/icon.svg",
        }
    ]

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]  # Airflow declares a list
        """The app, made once, when an API server asks: what else may load this file never pays for it."""
        from plugins.market.airflow_guard import airflow_app  # noqa: PLC0415  see above

        return [{"app": airflow_app(), "url_prefix": URL_PREFIX, "name": "market"}]

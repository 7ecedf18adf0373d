"""What Airflow loads: where the page stands, and the app, which is imported only when an API server asks for it."""

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

    @property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]  # Airflow declares a list and reads it once
        """The app, made when an API server asks: a task's process, which loads this file too, never pays for it."""
        from plugins.market.airflow_guard import airflow_app  # noqa: PLC0415  see above

        return [{"app": airflow_app(), "url_prefix": URL_PREFIX, "name": "market"}]

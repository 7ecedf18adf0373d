"""The settings, by who reads them, and the only reader of the environment."""

from common.settings.dag import DagSettings
from common.settings.logs import LogSettings
from common.settings.monitoring import MonitoringSettings
from common.settings.notifications import NotificationSettings
from common.settings.page import PageSettings
from common.settings.patches import PatchSettings
from common.settings.pipeline import ALPHA_VANTAGE_URL, DEFAULT_SYMBOLS, SANDBOX_API_KEY, PipelineSettings
from common.settings.provisioning import ProvisioningSettings
from common.settings.source import read_variable

__all__ = [
    "ALPHA_VANTAGE_URL",
    "DEFAULT_SYMBOLS",
    "SANDBOX_API_KEY",
    "DagSettings",
    "LogSettings",
    "MonitoringSettings",
    "NotificationSettings",
    "PageSettings",
    "PatchSettings",
    "PipelineSettings",
    "ProvisioningSettings",
    "read_variable",
]

"""Settings: read once, from environment variables COLDPLATE_* and an optional TOML file; then frozen."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)


def default_data_dir() -> Path:
    """Where a user's own server keeps its data (XDG)."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "coldplate"


class Settings(BaseSettings):
    """All that an operator can set; `coldplate.toml` in the data directory or COLDPLATE_<NAME>."""

    model_config = SettingsConfigDict(env_prefix="COLDPLATE_", frozen=True, extra="forbid")

    data: Path = Field(default_factory=default_data_dir, description="data directory")
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8080, ge=0, le=65535, description="port to listen on; 0 picks a free one")
    tls_cert: Path | None = Field(
        default=None, description="PEM certificate chain; with tls_key, serve https"
    )
    tls_key: Path | None = Field(default=None, description="PEM private key")
    catalog: Path | None = Field(
        default=None, description="catalog TOML; default: the one that ships with Coldplate"
    )
    slots: int = Field(default=2, ge=1, description="job processes at the same time")
    threads_per_job: int = Field(default=1, ge=1, description="threads of one job process")
    memory_per_job: int = Field(
        default=4 << 30, ge=1 << 28, description="bytes of address space of one job process"
    )
    spare_processes: int = Field(
        default=1, ge=0, description="processes that wait for the next job while jobs come"
    )
    warm_memory: int = Field(
        default=128 << 20, ge=0, description="bytes of devices and compiled programs kept for the next job"
    )
    max_execution_s: int = Field(default=10_800, ge=1, description="longest a job may run, seconds")
    max_body: int = Field(default=64 << 20, ge=1 << 10, description="largest request body, bytes")
    lease_s: float = Field(default=30.0, gt=0, description="a running job's lease; renewed every third of it")
    shared: bool = Field(
        default=False, description="other schedulers work on the same store: processes end with their lease"
    )
    max_attempts: int = Field(default=3, ge=1, description="starts of one job after lost workers")
    token_ttl_s: int = Field(default=3600, ge=60, description="life of an access token, seconds")
    private_grace_s: float = Field(
        default=60.0, ge=0, description="re-read grace of a private job's results, seconds"
    )
    run_uploads: bool = Field(
        default=False,
        description="run the Python programs that users upload; read docs/recipes/clients-of-2023.md first",
    )
    log_format: str = Field(default="console", pattern="^(console|json)$", description="console or json")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments beat the environment, the environment beats the file."""
        file = Path(os.environ.get("COLDPLATE_CONFIG", default_data_dir() / "coldplate.toml"))
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, file)

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the store."""
        return f"sqlite:///{self.data / 'coldplate.db'}"

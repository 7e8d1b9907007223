"""A project without a database: what it needs for logging in with a phone number."""

import os

SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "for the example alone")
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "urls"
INSTALLED_APPS = ["kaskad_sdk.contrib.django"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
]

KASKAD = {
    "API_URL": os.environ.get("KASKAD_URL", ""),
    "API_TOKEN": os.environ.get("KASKAD_TOKEN", ""),
    "LANGUAGE": "en",
}

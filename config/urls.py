from django.contrib import admin
from django.urls import include, path, re_path

from payments.api.view import Nowhere
from payments.views import health

urlpatterns = [
    path("api/v1/", include("payments.api.urls")),  # first, for programs ask most often
    path("api/v1/", include("checkout.api.urls")),
    re_path(r"^api/", Nowhere.as_view()),
    path("", include("checkout.urls")),
    path("", include("payments.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("admin/", admin.site.urls),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
handler400 = "config.problems.bad_request"
handler403 = "config.problems.forbidden"
handler404 = "payments.views.problems.not_found"  # under /api/ every address leads somewhere
handler500 = "config.problems.broken"

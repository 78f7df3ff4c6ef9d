"""Companies and manufacturers; the site as a whole."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from protocol.models import Company, Manufacturer
from staff.admin_base import ReferredTo

# Registered on import.
from staff import acts_admin, message_admin, peer_admin, people_admin  # noqa: F401  isort:skip

admin.site.site_header = _("Gas meter data acquisition")
admin.site.site_title = _("Gas meter data acquisition")
admin.site.index_title = pgettext_lazy("sidebar", "Today")
admin.site.site_url = None


@admin.register(Company)
class CompanyAdmin(ReferredTo):
    company_path = "pk"
    shared = True
    list_display = ["code", "name", "created_at"]
    list_display_links = ["code", "name"]
    search_fields = ["code", "name"]
    search_help_text = _("Company code or name")
    fields = ["code", "name", "created_at", "linked_lists"]
    readonly_fields = ["created_at", "linked_lists"]


@admin.register(Manufacturer)
class ManufacturerAdmin(ReferredTo):
    # Of those whose meters the company has: a meter has a price of its company and manufacturer.
    company_path = "prices__company"
    shared = True
    list_display = ["factor_no", "name", "created_at"]
    list_display_links = ["factor_no", "name"]
    search_fields = ["factor_no", "name"]
    search_help_text = _("Manufacturer code or name")
    fields = ["factor_no", "name", "created_at", "linked_lists"]
    readonly_fields = ["created_at", "linked_lists"]

"""The pages of the staff that need more than one room: a meter's whole life, bulk commands, the home page."""

from django.contrib import admin

from meters.admin import MeterAdmin
from meters.models import Meter
from office.bulk_pages import BulkActions

admin.site.unregister(Meter)


@admin.register(Meter)
class MeterLifeAdmin(BulkActions, MeterAdmin):
    actions = ["close_valves", "open_valves"]

"""What the staff did: who, when, to what, and how that was before and after. Here it is read."""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from staff.acts import act_name
from staff.admin_base import LargeTableAdmin
from staff.models import StaffAct
from staff.templatetags.staff_acts import changes


class PersonFilter(admin.SimpleListFilter):
    """Offers the people: asking the table for them would read all of it."""

    title = _("by")
    parameter_name = "by"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        people = model_admin.admin_site.get_model_admin(User).get_queryset(request)
        return [(str(pk), name) for pk, name in people.order_by("username").values_list("pk", "username")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[StaffAct]) -> QuerySet[StaffAct]:
        value = self.value()
        return queryset.filter(by=int(value)) if value and value.isdecimal() else queryset


class TargetFilter(admin.SimpleListFilter):
    title = _("kind of target")
    parameter_name = "target"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        models = [model for model, its in model_admin.admin_site._registry.items() if its.has_view_permission(request)]
        return sorted((model._meta.label_lower, model._meta.verbose_name) for model in models)

    def queryset(self, request: HttpRequest, queryset: QuerySet[StaffAct]) -> QuerySet[StaffAct]:
        return queryset.filter(target_model=self.value()) if self.value() else queryset


@admin.register(StaffAct)
class StaffActAdmin(LargeTableAdmin):
    company_path = "company"
    list_display = ["at", "by", "act_in_words", "target_link", "company", "note"]
    list_select_related = ["by", "company"]
    list_filter = [PersonFilter, TargetFilter, "company", "at"]
    search_fields: ClassVar[Any] = ["act", "target_pk", "by__username"]
    search_help_text = _("A whole act, number of a target, or user name")
    ordering = ["-id"]
    fields: ClassVar[Any] = [("at", "by"), ("act_in_words", "target_link"), "company", "what_changed", "note"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Each through its index: of targets the kinds are named too, as theirs begins with the kind."""
        term = search_term.strip()
        if not term:
            return queryset, False
        people = list(User.objects.filter(username__iexact=term).values_list("pk", flat=True))
        if people:
            return queryset.filter(by__in=people), False
        if any(character.isdigit() for character in term):
            kinds = [model._meta.label_lower for model in self.admin_site._registry]
            return queryset.filter(target_model__in=kinds, target_pk=term), False
        return queryset.filter(act=term.lower()), False

    @admin.display(description=_("act"))
    def act_in_words(self, act: StaffAct) -> str:
        return act_name(act.act)

    @admin.display(description=_("before → after"))
    def what_changed(self, act: StaffAct) -> SafeString:
        return changes(act)

    @admin.display(description=_("target"))
    def target_link(self, act: StaffAct) -> SafeString | str:
        try:
            page = reverse(f"admin:{act.target_model.replace('.', '_')}_change", args=[act.target_pk])
        except NoReverseMatch:
            return act.target_text
        return format_html('<a href="{}">{}</a>', page, act.target_text)

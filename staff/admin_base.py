"""What the admin pages of all apps share: read-only ledgers, lists of tables too large to count, links between rows."""

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.options import IS_POPUP_VAR, BaseModelAdmin
from django.contrib.admin.utils import flatten_fieldsets
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import PROTECT, Field, Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, StackedInline, TabularInline

from staff.admin_record import Recorded
from staff.admin_scope import Scoped, visible
from staff.patience import TOO_LONG, TookTooLong, at_most, too_long_page

COUNT_CAP = 10_000
COUNT_PATIENCE_MS = 400
LIST_PATIENCE_MS = 5_000


class CappedCount(int):
    """Says "10000+" where a page shows it: the pages of any theme print the count themselves."""

    def __str__(self) -> str:
        return f"{int(self)}+"


class Uncounted(int):
    """How many could not be said soon enough; pages are offered as if there were so many."""

    def __str__(self) -> str:
        return gettext("many")


class CappedPaginator(Paginator):
    """Counts no further than COUNT_CAP rows, and no longer than COUNT_PATIENCE_MS: nobody waits for a number."""

    object_list: QuerySet[Any]

    @cached_property
    def count(self) -> int:
        try:
            with at_most(COUNT_PATIENCE_MS):
                # In the order of the list, so that the count is as quick as the list.
                counted = self.object_list.values("pk")[: COUNT_CAP + 1].count()
        except TookTooLong:
            return Uncounted(COUNT_CAP)
        return counted if counted <= COUNT_CAP else CappedCount(COUNT_CAP)


class ReadOnly(BaseModelAdmin):
    """Rows that only the interface writes: they can be looked at, and acted on where there is an action."""

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Everything shown, so that none of it is asked of a form."""
        return flatten_fieldsets(self.get_fieldsets(request, obj))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class LinkedAdmin(Recorded, Scoped, ModelAdmin):
    """A page that links to the lists of what refers to its row (the field `linked_lists`)."""

    def extra_lists(self, obj: Any) -> Iterable[tuple[str, str]]:
        """Further lists, as (title, URL)."""
        return ()

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Called by what it lists, not by what is to be done with it ("Select meter to view")."""
        title = {"title": capfirst(self.opts.verbose_name_plural)}
        return super().changelist_view(request, {**title, **(extra_context or {})})

    @admin.display(description=_("see also"))
    def linked_lists(self, obj: Any) -> SafeString:
        lists = [*_referring_lists(obj, self.admin_site), *self.extra_lists(obj)]
        return format_html_join(" · ", '<a class="das-link" href="{1}">{0}</a>', lists)


class ReadOnlyAdmin(ReadOnly, LinkedAdmin):
    def has_act_permission(self, request: HttpRequest) -> bool:
        """For actions: the rows are no form, but who may change them may act on them."""
        return bool(request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}"))


@dataclass(frozen=True)
class OfferedAction:
    """An action that a later room gives to the list of a model, for whom `allowed` says yes to.

    `link` leads to the same for all that the list shows, without choosing rows first.
    """

    name: str
    act: Callable[..., Any]
    description: Any
    allowed: Callable[[Any], bool]
    link_label: Any
    link: Callable[[HttpRequest], str]


# By model: the rooms of these models come before, and cannot name what is offered.
OFFERED: dict[type[Model], OfferedAction] = {}


class LargeTableAdmin(ReadOnlyAdmin):
    """A list that opens at once at 10^8 rows, and gives up on a search that would read them all."""

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    sortable_by: ClassVar[Any] = ()

    def get_actions(self, request: HttpRequest) -> Any:
        actions = super().get_actions(request)
        offered = OFFERED.get(self.model)
        if offered is not None and IS_POPUP_VAR not in request.GET and offered.allowed(request.user):
            actions[offered.name] = (offered.act, offered.name, offered.description)
        return actions

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        offered = OFFERED.get(self.model)
        if offered is not None and IS_POPUP_VAR not in request.GET and offered.allowed(request.user):
            shown = {"offered_label": offered.link_label, "offered_url": offered.link(request)}
            extra_context = {**(extra_context or {}), **shown}
        if request.method != "GET":
            return super().changelist_view(request, extra_context)
        try:
            with at_most(LIST_PATIENCE_MS):
                return super().changelist_view(request, extra_context)
        except TookTooLong:
            if not request.GET:
                return too_long_page(request)
        self.message_user(request, TOO_LONG, messages.ERROR)
        return HttpResponseRedirect(request.path)


class ReadOnlyTable(ReadOnly, TabularInline):
    extra = 0
    hide_title = True


class ReadOnlyStack(ReadOnly, StackedInline):
    extra = 0


class ReferredTo(LinkedAdmin):
    """A row is deleted one by one, and only while nothing refers to it: to list what does would load it all."""

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """On the form for a new row: only what can be entered."""
        fields = super().get_fields(request, obj)
        return fields if obj is not None else [name for name in fields if name not in self.readonly_fields]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is not None and super().has_delete_permission(request, obj) and not is_referred_to(obj)


class LinkedFilter(admin.FieldListFilter):
    """Set by a link from another page; shown only while it is set, so that it can be seen and cleared."""

    def __init__(self, field: Field, request: HttpRequest, params: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        self.parameter = lookup_of(field)
        self.request = request
        super().__init__(field, request, params, *args, **kwargs)

    def expected_parameters(self) -> list[str | None]:
        return [self.parameter]

    def has_output(self) -> bool:
        return self.parameter in self.used_parameters

    def choices(self, changelist: ChangeList) -> Any:
        yield {
            "selected": False,
            "query_string": changelist.get_query_string(remove=[self.parameter]),
            "display": _("All"),
        }
        values: Any = self.used_parameters[self.parameter]
        for value in values:
            query_string = changelist.get_query_string({self.parameter: value})
            yield {"selected": True, "query_string": query_string, "display": self._name(value)}

    def _name(self, value: str) -> str:
        model = self.field.related_model
        if model is None or not value.isdecimal():
            return value
        rows = visible(model, self.request, admin.site)
        return str((model._base_manager.all() if rows is None else rows).filter(pk=value).first() or value)


def lookup_of(field: Any) -> str:
    """The parameter by which a list is filtered to one value: the one that Django's own filters use."""
    return f"{field.name}__{field.target_field.name}__exact" if field.is_relation else f"{field.name}__exact"


def list_url(model: type[Model], **parameters: Any) -> str:
    """The list of `model`, filtered: list_url(Reading, meter=5, quality="jump")."""
    lookups = {lookup_of(model._meta.get_field(name)): value for name, value in parameters.items()}
    page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{page}?{urlencode(lookups)}"


def link_column(name: str, description: Any) -> Callable[[Any], SafeString]:
    """A list column that leads to the page of the related row `name`."""

    @admin.display(description=description, ordering=name)
    def column(obj: Any) -> SafeString:
        related = getattr(obj, name)
        page = f"admin:{related._meta.app_label}_{related._meta.model_name}_change"
        return format_html('<a href="{}">{}</a>', reverse(page, args=[related.pk]), related)

    return column


def pretty_json(text: str) -> SafeString:
    """A JSON body with one line per key; any other text as it is."""
    with suppress(ValueError, RecursionError):
        laid_out = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        # Half a surrogate pair is JSON, but no text that a page could hold.
        text = laid_out.encode("utf-8", "backslashreplace").decode()
    style = "margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; max-height: 40em; overflow-y: auto"
    return format_html('<pre style="{}">{}</pre>', style, text)


def is_referred_to(obj: Model) -> bool:
    """True while rows that must outlive `obj`, or a list that people keep, refer to it."""
    relations = [
        relation
        for relation in obj._meta.related_objects
        if relation.many_to_many or getattr(relation, "on_delete", None) is PROTECT
    ]
    return any(
        relation.related_model._base_manager.filter(**{relation.field.name: obj}).exists() for relation in relations
    )


def _referring_lists(obj: Model, site: admin.AdminSite) -> Iterable[tuple[str, str]]:
    for relation in obj._meta.related_objects:
        model = relation.related_model
        if relation.one_to_many and model is not type(obj) and site.is_registered(model):
            yield str(capfirst(model._meta.verbose_name_plural)), list_url(model, **{relation.field.name: obj.pk})

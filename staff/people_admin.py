"""People and roles. Who manages them gives no more than they have, and sees nobody who sees more than they do."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.admin import StackedInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from staff.admin_base import LinkedAdmin
from staff.admin_scope import Scoped
from staff.models import Role, StaffScope
from staff.permissions import NAMES, ROLES, role_name
from staff.scope import companies_of, sees_all

VERBS: dict[str, Any] = {"view": _("view"), "add": _("add"), "change": _("change"), "delete": _("delete")}
# Django's own tables, which are not for staff.
NOT_OFFERED = ["admin", "contenttypes", "sessions"]


def permission_name(permission: Permission) -> str:
    """A permission in the reader's language."""
    own = NAMES.get(f"{permission.content_type.app_label}.{permission.codename}")
    if own is not None:
        return str(capfirst(own))
    verb = permission.codename.partition("_")[0]
    model = permission.content_type.model_class()
    named = model._meta.verbose_name if model else permission.content_type.model
    return f"{capfirst(named)}: {VERBS.get(verb, verb)}"


def names_of(permissions: QuerySet[Permission]) -> set[str]:
    return {f"{app}.{code}" for app, code in permissions.values_list("content_type__app_label", "codename")}


def givable_groups(giver: User) -> QuerySet[Group]:
    """Groups that hold nothing that `giver` lacks."""
    if giver.is_superuser:
        return Group.objects.all()
    mine = giver.get_all_permissions()
    return Group.objects.filter(pk__in=[g.pk for g in Group.objects.all() if names_of(g.permissions.all()) <= mine])


class PersonForm(UserChangeForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "groups" in self.fields:
            label_by(self.fields["groups"], lambda group: role_name(group.name))


class RoleForm(forms.ModelForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "permissions" in self.fields:
            label_by(self.fields["permissions"], permission_name)

    def clean_name(self) -> str:
        name = self.cleaned_data["name"]
        if name in ROLES:
            raise forms.ValidationError(_("This name belongs to a role of the platform."))
        return name


class ScopeStack(Scoped, StackedInline):
    """The companies of a person: at most those of who gives them."""

    model = StaffScope
    can_delete = False
    autocomplete_fields: ClassVar[Any] = ["companies"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return ["all_companies", "companies"] if sees_all(request.user) else ["companies"]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("auth.view_user")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("auth.change_user")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("auth.change_user")


admin.site.unregister([User, Group])


@admin.register(User)
class PersonAdmin(UserAdmin, LinkedAdmin):
    form = PersonForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    inlines: ClassVar[Any] = [ScopeStack]
    list_display = ["username", "full_name", "roles", "is_active", "is_staff", "last_login"]
    list_filter = ["is_active", "is_staff"]
    list_display_links = ["username"]
    search_help_text = _("User name, name or e-mail address")
    filter_horizontal: ClassVar[Any] = ()
    readonly_fields: ClassVar[Any] = ["last_login", "date_joined", "linked_lists"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Nobody who sees a company that the user does not see."""
        people = super().get_queryset(request).prefetch_related("groups")
        user = request.user
        if user.is_superuser:
            return people
        people = people.filter(is_superuser=False)
        if sees_all(user):
            return people
        beyond = StaffScope.objects.filter(
            Q(all_companies=True) | Q(pk__in=_scopes_beyond(list(companies_of(user).values_list("pk", flat=True))))
        )
        return people.exclude(pk__in=beyond.values("user")) | people.filter(pk=user.pk)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Whoever is made here is to sign in here; what they may do and see then is said on their page."""
        if not change:
            obj.is_staff = True
        super().save_model(request, obj, form, change)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return super().get_fieldsets(request, obj)
        state = ["is_active", "is_staff", *(["is_superuser"] if request.user.is_superuser else [])]
        return [
            (None, {"fields": ["username", "password", ("last_name", "first_name"), "email"]}),
            (_("May sign in"), {"fields": state}),
            (_("Roles"), {"fields": ["groups"]}),
            (_("Records"), {"fields": [("last_login", "date_joined"), "linked_lists"]}),
        ]

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "groups":
            assert isinstance(request.user, User)
            kwargs.update(queryset=givable_groups(request.user), widget=UnfoldAdminCheckboxSelectMultipleWidget())
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj is not None else []

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Not of who may do more: a new password would be theirs to take."""
        may = super().has_change_permission(request, obj)
        if obj is None or not may or request.user.is_superuser:
            return may
        return not obj.is_superuser and obj.get_all_permissions() <= request.user.get_all_permissions()

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """One by one, and nobody deletes themselves; who has done anything is deactivated instead."""
        may = obj is not None and obj != request.user and super().has_delete_permission(request, obj)
        return may and self.has_change_permission(request, obj)

    @admin.display(description=_("name"))
    def full_name(self, person: User) -> str:
        return person.last_name + person.first_name

    @admin.display(description=_("roles"))
    def roles(self, person: User) -> str:
        return ", ".join(role_name(group.name) for group in person.groups.all())


@admin.register(Role)
class RoleAdmin(LinkedAdmin):
    """Roles of the platform are read here; those that staff make are theirs to change."""

    form = RoleForm
    shared = True
    list_display = ["__str__", "people"]
    search_fields = ["name"]
    ordering = ["name"]
    fields = ["name", "permissions"]

    def has_change_permission(self, request: HttpRequest, obj: Role | None = None) -> bool:
        return super().has_change_permission(request, obj) and self._may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Role | None = None) -> bool:
        return obj is not None and super().has_delete_permission(request, obj) and self._may_touch(request, obj)

    def get_fields(self, request: HttpRequest, obj: Role | None = None) -> list[Any]:
        return ["name", "permissions"] if self._writes(request, obj) else ["role", "what_it_may"]

    def get_readonly_fields(self, request: HttpRequest, obj: Role | None = None) -> list[str]:
        return [] if self._writes(request, obj) else ["role", "what_it_may"]

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "permissions":
            kwargs.update(queryset=_offered(request), widget=UnfoldAdminCheckboxSelectMultipleWidget())
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    @admin.display(description=_("role"))
    def role(self, role: Role) -> str:
        return str(role)

    @admin.display(description=_("may"))
    def what_it_may(self, role: Role) -> SafeString:
        names = sorted(map(permission_name, role.permissions.select_related("content_type")))
        return format_html('<ul class="das-columns">{}</ul>', format_html_join("", "<li>{}</li>", zip(names)))

    @admin.display(description=_("people"))
    def people(self, role: Role) -> int:
        return role.user_set.count()

    def _writes(self, request: HttpRequest, obj: Role | None) -> bool:
        return self.has_add_permission(request) if obj is None else self.has_change_permission(request, obj)

    def _may_touch(self, request: HttpRequest, obj: Role | None) -> bool:
        if obj is None:
            return True
        assert isinstance(request.user, User)
        return obj.name not in ROLES and givable_groups(request.user).filter(pk=obj.pk).exists()


def label_by(field: Any, label: Any) -> None:
    field.label_from_instance = label
    field.choices = field.choices
    field.help_text = ""


def _scopes_beyond(mine: list[int]) -> QuerySet[Any]:
    return StaffScope.companies.through.objects.exclude(company__in=mine).values("staffscope")


def _offered(request: HttpRequest) -> QuerySet[Permission]:
    rows = Permission.objects.exclude(content_type__app_label__in=NOT_OFFERED).select_related("content_type")
    if request.user.is_superuser:
        return rows
    mine = request.user.get_all_permissions()
    return rows.filter(pk__in=[row.pk for row in rows if f"{row.content_type.app_label}.{row.codename}" in mine])

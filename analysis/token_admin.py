"""Tokens with which programs of analysts sign in: made for who may no more than their maker, shown once, revoked."""

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from analysis.access import is_outgrown, make_token
from analysis.models import ApiToken
from staff.acts import put_on_record
from staff.admin_history import WithHistory
from staff.admin_scope import Scoped, visible


@admin.register(ApiToken)
class ApiTokenAdmin(WithHistory, Scoped, ModelAdmin):
    """A token's text is shown once, when it is made; deleting it takes it back."""

    list_display = ["name", "user", "made_by", "created_at"]
    list_select_related = ["user", "made_by"]
    search_fields = ["name", "user__username"]
    readonly_fields = ["made_by", "works", "created_at"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """One that is not made yet has no time."""
        return ["user", "name", *self.readonly_fields] if obj else ["user", "name"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        tokens, people = super().get_queryset(request), visible(User, request, self.admin_site)
        return tokens if people is None else tokens.filter(user__in=people.order_by().values("pk"))

    def get_field_queryset(self, db: str | None, db_field: Any, request: HttpRequest) -> QuerySet[Any] | None:
        """Nobody who may more: the token would be theirs to use."""
        people = super().get_field_queryset(db, db_field, request)
        user = cast(User, request.user)
        if people is None or db_field.name != "user" or user.is_superuser:
            return people
        mine = user.get_all_permissions()
        return people.filter(
            pk__in=[one.pk for one in people if not one.is_superuser and one.get_all_permissions() <= mine]
        )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=_("works"), boolean=True)
    def works(self, token: ApiToken) -> bool:
        return token.user.is_active and not is_outgrown(token)

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        by = cast(User, request.user)
        token, text = make_token(user=obj.user, name=obj.name, by=by)
        obj.pk = token.pk
        put_on_record(by=by, act="token.make", target=token, after={"user": str(obj.user)})
        told = _("The token, which is shown only now: %(token)s") % {"token": text}
        self.message_user(request, told, messages.WARNING)

    def delete_model(self, request: HttpRequest, obj: ApiToken) -> None:
        put_on_record(by=cast(User, request.user), act="token.revoke", target=obj, before={"user": str(obj.user)})
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        for token in queryset.select_related("user"):
            self.delete_model(request, token)

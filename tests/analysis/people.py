"""Staff who may export, with some companies or all."""

from django.contrib.auth.models import Permission, User

from analysis.tables import TABLES
from protocol.models import Company
from staff.models import StaffScope


def analyst(name="ana", *, companies=None, export=True):
    """`companies`: codes; None for all of them."""
    user = User.objects.create(username=name, is_staff=True)
    views = [f"view_{table.model._meta.model_name}" for table in TABLES.values()]
    user.user_permissions.add(*Permission.objects.filter(codename__in=views))
    if export:
        user.user_permissions.add(export_permission())
    scope = StaffScope.objects.create(user=user, all_companies=companies is None)
    scope.companies.set(Company.objects.filter(code__in=companies or []))
    return user


def export_permission():
    return Permission.objects.get(codename="export", content_type__app_label="staff")

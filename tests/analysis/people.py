"""Staff who may export, with some companies or all."""

from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType

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
    found = Permission.objects.filter(codename="export", content_type__app_label="staff").first()
    if found is None:
        of = ContentType.objects.get_for_model(StaffScope)
        found = Permission.objects.create(codename="export", name="export", content_type=of)
    return found

"""The message of a command may go before the command does: a partitioned table is not referred to in the database."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('commands', '0004_causes_as_codes'),
        ('protocol', '0009_partition_inbound'),
    ]

    operations = [
        migrations.AlterField(
            model_name='command',
            name='message',
            field=models.OneToOneField(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='command', to='protocol.outboundmessage', verbose_name='message'),
        ),
    ]

"""Spent serials in a table of their own, so that messages can be partitioned by time."""

import django.contrib.postgres.indexes
import django.db.models.deletion
from django.db import migrations, models

FILL = """
INSERT INTO protocol_inboundserial (serial_no, peer_id, received_at)
SELECT serial_no, peer_id, received_at FROM protocol_inboundmessage WHERE succeeded ORDER BY received_at;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('protocol', '0007_previous_secret'),
    ]

    operations = [
        migrations.CreateModel(
            name='InboundSerial',
            fields=[
                ('pk', models.CompositePrimaryKey('serial_no', 'peer_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('serial_no', models.CharField(max_length=64, verbose_name='serial number')),
                ('peer', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='protocol.peer', verbose_name='peer')),
                ('received_at', models.DateTimeField(verbose_name='received at')),
            ],
            options={
                'verbose_name': 'spent serial number',
                'verbose_name_plural': 'spent serial numbers',
            },
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name='inboundserial',
            index=models.Index(fields=['received_at'], name='inbound_serial_age'),
        ),
        migrations.RemoveConstraint(
            model_name='inboundmessage',
            name='inbound_serial_spent_once',
        ),
        migrations.RemoveIndex(
            model_name='inboundmessage',
            name='inbound_received',
        ),
        migrations.RemoveIndex(
            model_name='inboundmessage',
            name='inbound_serial',
        ),
        migrations.AlterField(
            model_name='inboundmessage',
            name='peer',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='inbound_messages', to='protocol.peer', verbose_name='peer'),
        ),
        migrations.AddIndex(
            model_name='inboundmessage',
            index=models.Index(condition=models.Q(('succeeded', False)), fields=['serial_no'], name='inbound_failed_serial'),
        ),
        migrations.AddIndex(
            model_name='inboundmessage',
            index=django.contrib.postgres.indexes.BrinIndex(autosummarize=True, fields=['id'], name='inbound_id', pages_per_range=32),
        ),
    ]

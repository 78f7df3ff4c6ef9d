"""What partitions of the outbox need: their column in every unique constraint and in the attempts, no foreign key."""

import django.db.models.deletion
from django.db import migrations, models

# An attempt whose message is gone keeps its own time.
FILL = """
UPDATE protocol_outboundattempt a SET message_created_at = coalesce(
    (SELECT m.created_at FROM protocol_outboundmessage m WHERE m.id = a.message_id), a.attempted_at);
"""


class Migration(migrations.Migration):

    dependencies = [
        ('protocol', '0009_partition_inbound'),
        ('commands', '0005_message_without_constraint'),
    ]

    operations = [
        migrations.AddField(
            model_name='outboundattempt',
            name='message_created_at',
            field=models.DateTimeField(null=True, verbose_name='message created at'),
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name='outboundattempt',
            name='message_created_at',
            field=models.DateTimeField(verbose_name='message created at'),
        ),
        migrations.RemoveConstraint(
            model_name='outboundmessage',
            name='outbound_serial_once',
        ),
        migrations.AddConstraint(
            model_name='outboundmessage',
            constraint=models.UniqueConstraint(fields=('serial_no', 'created_at'), name='outbound_serial_once'),
        ),
        migrations.AlterField(
            model_name='outboundmessage',
            name='peer',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='outbound_messages', to='protocol.peer', verbose_name='peer'),
        ),
    ]

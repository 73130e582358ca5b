from typing import Any

from django.db import migrations


def write(apps: Any, schema_editor: Any) -> None:
    apps.get_model("capture_moving", "Parcel").objects.create(label="made by a data migration")


class Migration(migrations.Migration):
    atomic = False  # the schema operations are committed before the data is written

    dependencies = [("capture_moving", "0001_initial")]

    operations = [
        migrations.RemoveField("parcel", "colour"),
        migrations.RenameField("parcel", "name", "label"),
        migrations.RunPython(write, migrations.RunPython.noop),
    ]

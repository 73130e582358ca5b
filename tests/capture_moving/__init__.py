"""An app whose columns go and are renamed by migrations, while its table is captured."""

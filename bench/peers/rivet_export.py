"""One day to zstd Parquet by rivet-cli, profile fast: `URL FOLDER SHARDS [chunks]`.

Into one file: it makes no shards. With a fourth word it reads as by default, in chunks along the primary key.
"""

import os
import sys
from pathlib import Path

url, folder, is_default = sys.argv[1], Path(sys.argv[2]), len(sys.argv) > 4
folder.mkdir(parents=True, exist_ok=True)
kind = "postgres" if url.startswith("postgres") else "mysql"
query = (
    "SELECT user_id, purchased_at, amount FROM purchases"
    " WHERE purchased_at >= '2026-11-14' AND purchased_at < '2026-11-15'"
)
asked = (
    "table: purchases\n    mode: chunked\n    chunk_by_key: purchase_id"
    if is_default
    else f'query: "{query}"\n    mode: full'
)
tuning = "" if is_default else "\n  tuning:\n    profile: fast"
(folder / "rivet.yaml").write_text(f"""
source:
  type: {kind}
  url_env: SHOP_URL{tuning}
exports:
  - name: purchases
    {asked}
    format: parquet
    compression: zstd
    destination:
      type: local
      path: ./out
    columns:
      amount: decimal(12,2)
""")
os.chdir(folder)
program = str(Path(sys.executable).with_name("rivet"))
os.execve(program, [program, "run", "--config", "rivet.yaml", "--json"], {**os.environ, "SHOP_URL": url})

# filter: holdfast-milter; uses journal and base

"""EDGE: the portal: pages in 繁體中文 and English, written on the server, whole without scripts."""

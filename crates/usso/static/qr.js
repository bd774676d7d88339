// Waits for the device that scans the picture. The page says what to ask and where to go; see its `#qr`.
(() => {
  const box = document.getElementById("qr");
  if (!box) return;
  const told = document.getElementById("qr-status");
  const { status, token, next, more, scanned, rejected, expired } = box.dataset;
  const look = async () => {
    let state = "pending";
    try {
      const answer = await fetch(`${status}?qr_token=${encodeURIComponent(token)}`, { headers: { accept: "application/json" } });
      if (answer.ok) ({ status: state } = await answer.json());
      else if (answer.status !== 429 && answer.status < 500) state = "rejected";
    } catch {
      // Out of reach for a moment.
    }
    switch (state) {
      case "authenticated":
        return location.assign(next);
      case "mfa_required":
        return location.assign(more);
      case "rejected":
        told.textContent = rejected;
        return undefined;
      case "expired":
        told.textContent = expired;
        return undefined;
      case "scanned":
        if (told.textContent !== scanned) told.textContent = scanned;
    }
    return setTimeout(look, 1500);
  };
  setTimeout(look, 1500);
})();

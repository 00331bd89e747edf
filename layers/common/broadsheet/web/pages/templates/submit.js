// Submits the page's form once somebody sees it: a page that is only prepared, or opened in the
// background, waits.
const submit = () => document.visibilityState === "visible" && document.forms[0].submit();
document.addEventListener("visibilitychange", submit);
submit();

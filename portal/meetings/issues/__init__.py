"""Local issues (地域課題), which name no person."""

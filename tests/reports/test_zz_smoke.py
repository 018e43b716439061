from tests.factories import *
def test_smoke(app, browser):
    a, b = make_member(), make_member()
    p = make_person(a, family="山田", given="太郎", family_kana="やまだ", given_kana="たろう")
    r = make_referral(a, b, person_id=p)
    br = browser(a)
    for path in ["/consents/", f"/people/{p}/consents/new", f"/people/{p}/disclosures", f"/people/{p}/disclosures.pdf", f"/people/{p}/consents/form", f"/people/{p}/consents/form.pdf", "/consents/?show=30", "/consents/?show=ended", "/"]:
        x = br.get(path); print(path, x.status_code); 
        if x.status_code!=200: print(x.text[:3000])
